import { createServer } from "node:net";

/**
 * Free TCP ports of loopback, all at once so that they differ. Others could take them before they are used, which whoever
 * uses them would then report.
 */
export async function freePorts(count: number): Promise<number[]> {
    const servers = await Promise.all(
        Array.from(
            { length: count },
            () =>
                new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
                    const server = createServer();
                    server.once("error", reject);
                    server.listen(0, "127.0.0.1", () => resolve(server));
                }),
        ),
    );
    const ports = servers.map((server) => (server.address() as { port: number }).port);
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    return ports;
}

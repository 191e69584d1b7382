import { output } from "../../tests/support/command";

/** How often clients have offered the balancer a TLS session to resume, since it was started. */
export async function sessionsOffered(container: string): Promise<number> {
    const script =
        "const s=require('net').connect('/run/balancer/admin.sock');s.end('show info\\n');s.pipe(process.stdout)";
    return parseSessionsOffered(await output("docker", ["exec", container, "/usr/bin/node", "-e", script]));
}

/** Reads HAProxy's `show info`. Pure. */
export function parseSessionsOffered(text: string): number {
    const count = Number(/^SslCacheLookups: (\d+)$/m.exec(text)?.[1]);
    if (Number.isNaN(count)) {
        throw new Error(`no count of TLS sessions in:\n${text}`);
    }
    return count;
}

/**
 * A client that offers no session gets a full handshake from everybody, and the same client asks all the proxies: so
 * what the balancer has counted tells of the others, too. Throws unless its clients have done what the table says.
 *
 * @param offered sessions that clients have offered the balancer
 * @param requests to the balancer, each over a connection of its own
 */
export function assertHandshakes(kind: "full" | "resumed", offered: number, requests: number): void {
    const asSaid = kind === "full" ? offered === 0 : offered > requests * 0.9;
    if (!asSaid || requests === 0) {
        throw new Error(
            `clients offered ${offered} sessions in ${requests} handshakes that should be ${kind}`,
        );
    }
}

import * as net from "node:net";

import { RegistryTunnel } from "../../../../components/machines/linode/registry-tunnel";

/** A program that pushes something through a tunnel, leaves its connection as it is, and has nothing else to do. */
process.once("message", (message: { sshPort: number; privateKey: string; hostKey: string }) => {
    const { sshPort, privateKey, hostKey } = message;
    const probe = net.createServer();
    probe.listen(0, "127.0.0.1", () => {
        const { port } = probe.address() as net.AddressInfo;
        probe.close(() => void use(port));
    });

    async function use(port: number): Promise<void> {
        const tunnel = new RegistryTunnel({
            port,
            connection: async () => ({ host: "127.0.0.1", port: sshPort, user: "root", privateKey, hostKey }),
            target: { host: "10.213.0.2", port: 5000 },
            warn: (text) => console.error(text),
        });
        await tunnel.listen();
        const socket = net.connect({ host: "127.0.0.1", port });
        socket.write("layers");
        socket.once("data", () => {
            socket.unref();
            process.disconnect();
        });
    }
});

import * as net from "node:net";

import { Client } from "ssh2";

import type { Connection } from "../machine";

export interface RegistryTunnelArgs {
    /** Where to listen on 127.0.0.1. */
    port: number;
    /** The machine that connections go to. Asked for once somebody connects. */
    connection: () => Promise<Connection>;
    /** Where the machine itself takes them on. */
    target: { host: string; port: number };
    /** Told why a connection could not be made. */
    warn: (message: string) => void;
}

/** In milliseconds; the machine is ready when somebody connects. */
const handshakeTimeout = 20_000;

/**
 * A port on 127.0.0.1 whose connections go to a machine over SSH, so that an engine on this computer can push to a
 * registry that is reachable from the lab's own network alone. The machine is dialled when somebody connects, and again
 * when its connection has broken. Nothing of it keeps the process alive.
 */
export class RegistryTunnel {
    private readonly server: net.Server;
    private readonly sockets = new Set<net.Socket>();
    private dialled?: Promise<Client>;

    constructor(private readonly args: RegistryTunnelArgs) {
        this.server = net.createServer({ allowHalfOpen: true }, (socket) => void this.forward(socket));
    }

    /** Listens. @throws the system's error, e.g. with the code EADDRINUSE. */
    listen(): Promise<void> {
        return new Promise((resolve, reject) => {
            this.server.once("error", reject);
            this.server.listen({ host: "127.0.0.1", port: this.args.port, exclusive: true }, () => {
                this.server.unref();
                resolve();
            });
        });
    }

    /** Ends everything at once. */
    async close(): Promise<void> {
        this.server.close();
        this.sockets.forEach((socket) => socket.destroy());
        const dialled = this.dialled;
        this.dialled = undefined;
        await dialled?.then(
            (client) => client.end(),
            () => {},
        );
    }

    private async forward(socket: net.Socket): Promise<void> {
        socket.unref();
        this.sockets.add(socket);
        socket.once("close", () => this.sockets.delete(socket));
        // Whoever pushes sees its connection end; more is said below.
        socket.on("error", () => socket.destroy());
        try {
            const client = await this.client();
            const { host, port } = this.args.target;
            client.forwardOut("127.0.0.1", socket.remotePort ?? 0, host, port, (error, channel) => {
                if (error) {
                    this.refuse(socket, error);
                    return;
                }
                channel.on("error", () => socket.destroy());
                channel.once("close", () => socket.end());
                socket.once("close", () => channel.close());
                socket.pipe(channel).pipe(socket);
            });
        } catch (error) {
            this.refuse(socket, error as Error);
        }
    }

    private refuse(socket: net.Socket, { message }: Error): void {
        this.args.warn(`The registry's machine cannot be reached over SSH: ${message}`);
        socket.destroy();
    }

    /** The connection to the machine, made when there is none. */
    private client(): Promise<Client> {
        if (this.dialled === undefined) {
            const dialled = this.dial(() => {
                if (this.dialled === dialled) {
                    this.dialled = undefined;
                }
            });
            this.dialled = dialled;
        }
        return this.dialled;
    }

    /** @param ended called when the connection is of no more use, made or not */
    private async dial(ended: () => void): Promise<Client> {
        const { host, port, user, privateKey, hostKey } = await this.args.connection();
        const [algorithm = "", encoded = ""] = hostKey.split(" ");
        const pinned = Buffer.from(encoded, "base64");
        const sock = net.connect({ host, port });
        sock.unref();
        const client = new Client();
        return new Promise((resolve, reject) => {
            client.on("error", (error) => {
                ended();
                reject(error);
            });
            client.once("close", () => {
                ended();
                reject(new Error("the connection ended before it was made"));
            });
            client.once("ready", () => resolve(client));
            client.connect({
                sock,
                username: user,
                privateKey,
                readyTimeout: handshakeTimeout,
                algorithms: { serverHostKey: [algorithm as "ssh-ed25519"] },
                hostVerifier: (key: Buffer) => key.equals(pinned),
            });
        });
    }
}

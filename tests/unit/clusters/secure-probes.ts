import { readFileSync } from "node:fs";
import { connect } from "node:net";
import * as tls from "node:tls";

/** What a server says to somebody who calls its RPC port over TLS. */
export interface Handshake {
    /** The serial number of the server's certificate. */
    serial: string;
    /** `undefined` if the caller was let in. */
    refused: string | undefined;
}

/**
 * Calls a Consul server's RPC port over TLS, with a certificate or without. TLS 1.3 checks the caller after the
 * handshake, so an answer is awaited: an admitted caller's multiplexed session answers a ping.
 */
export function rpcHandshake(
    address: string,
    credentials: { cert?: string; key?: string },
): Promise<Handshake> {
    return new Promise((resolve, reject) => {
        const socket = connect(8300, address);
        socket.once("error", reject);
        socket.once("connect", () => {
            // The first byte says what follows (consul/agent/pool/conn.go): 3 is TLS …
            socket.write(Buffer.from([3]));
            const secure = tls.connect({ socket, rejectUnauthorized: false, ...credentials });
            let serial = "";
            const done = (refused?: string): void => {
                secure.destroy();
                resolve({ serial, refused });
            };
            secure.setTimeout(5000, () => done("no answer within 5 s"));
            secure.once("secureConnect", () => {
                serial = secure.getPeerCertificate().serialNumber;
                // … and 4, within, a session of yamux, whose ping is version 0, type 2, flag SYN.
                secure.write(Buffer.from([4, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]));
            });
            secure.once("data", () => done());
            secure.once("error", (error: Error) => done(error.message));
            secure.once("close", () => done("closed"));
        });
    });
}

/** Whether the RPC port lets a caller in who speaks without TLS. */
export function plainRpc(address: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
        const socket = connect(8300, address);
        socket.once("error", reject);
        socket.setTimeout(5000, () => reject(new Error("neither an answer nor an end within 5 s")));
        socket.once("connect", () => socket.write(Buffer.from([4, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7])));
        socket.once("data", () => {
            socket.destroy();
            resolve(true);
        });
        socket.once("close", () => resolve(false));
    });
}

/** `tcp:<port>` and `udp:<port>` of everything that listens on exactly this address. */
export function listeners(address: string): string[] {
    const bytes = address.split(".").map((byte) => Number(byte).toString(16).padStart(2, "0"));
    // The kernel shows an address as a number in the processor's byte order: the last byte first.
    const wanted = bytes.reverse().join("").toUpperCase();
    const found = ["tcp", "udp"].flatMap((protocol) =>
        readFileSync(`/proc/net/${protocol}`, "utf8")
            .split("\n")
            .slice(1)
            .map((line) => line.trim().split(/\s+/))
            // 0A is LISTEN, 07 an unconnected UDP socket.
            .filter(([, , , state]) => state === (protocol === "tcp" ? "0A" : "07"))
            .map(([, local = ""]) => local.split(":"))
            .filter(([host]) => host === wanted)
            .map(([, port = ""]) => `${protocol}:${parseInt(port, 16)}`),
    );
    return [...new Set(found)].sort();
}

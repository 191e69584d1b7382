import { connect } from "node:net";
import * as tls from "node:tls";

/** Kinds of connections to the RPC port, by their first byte (nomad/helper/pool/conn.go). */
const kinds = { rpc: 0x01, raft: 0x02, tls: 0x04 };

export type Kind = "rpc" | "raft";

/** What a server answers to somebody who calls its RPC port. */
export interface RpcAnswer {
    /** The serial number of the server's certificate, if it got that far. */
    serial?: string;
    /** What ended the call; `undefined` if the server answered. */
    refused: string | undefined;
}

/**
 * Calls a Nomad server's RPC port as an agent does, with a certificate, without one, or without TLS, and says something
 * that is answered to whoever may speak there at all. TLS 1.3 checks the caller after the handshake, so only an
 * answer counts.
 */
export function callRpc(
    address: string,
    kind: Kind,
    credentials: { cert?: string; key?: string } | "no TLS",
): Promise<RpcAnswer> {
    return new Promise((resolve) => {
        const socket = connect(4647, address);
        let serial: string | undefined;
        const done = (refused?: string): void => {
            socket.destroy();
            resolve({ serial, refused });
        };
        const speak = (stream: NodeJS.WritableStream & NodeJS.ReadableStream): void => {
            stream.once("data", () => done());
            stream.once("error", (error: Error) => done(error.message));
            stream.once("close", () => done("closed"));
        };
        socket.setTimeout(5000, () => done("no answer within 5 s"));
        socket.once("error", (error: Error) => done(error.message));
        socket.once("connect", () => {
            if (credentials === "no TLS") {
                speak(socket);
                socket.write(greeting(kind));
                return;
            }
            socket.write(Buffer.from([kinds.tls]));
            const secure = tls.connect({ socket, rejectUnauthorized: false, ...credentials });
            speak(secure);
            secure.once("secureConnect", () => {
                serial = secure.getPeerCertificate().serialNumber;
                secure.write(greeting(kind));
            });
        });
    });
}

function greeting(kind: Kind): Buffer {
    return kind === "rpc"
        ? Buffer.concat([Buffer.from([kinds.rpc]), ping])
        : // A request for a vote (1) without content, which Raft refuses with a message: the version is wrong.
          Buffer.from([kinds.raft, 0x01, 0x80]);
}

/** `Status.Ping` as MessagePack: the request's header, then its empty argument. */
const ping = Buffer.concat([
    Buffer.from([0x82]),
    word("ServiceMethod"),
    word("Status.Ping"),
    word("Seq"),
    Buffer.from([0x00, 0x80]),
]);

/** A string of less than 32 bytes. */
function word(text: string): Buffer {
    return Buffer.concat([Buffer.from([0xa0 | text.length]), Buffer.from(text)]);
}

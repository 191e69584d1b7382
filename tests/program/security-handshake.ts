import { once } from "node:events";
import type { AddressInfo } from "node:net";
import * as tls from "node:tls";

import type { Identity } from "./security-program";

/** Whom the server is called by. */
const servername = "server.dc1.consul";

/**
 * A mutual handshake on loopback: what the client heard, which is the common name of its own certificate as the server
 * has seen it. Fails when either end does not believe the other.
 */
export async function handshake(
    server: Identity,
    client: { bundlePem: string } & Partial<Identity>,
    name = servername,
): Promise<string> {
    let refusal = "nothing";
    const listener = tls.createServer(
        {
            key: server.keyPem,
            cert: server.certPem,
            ca: server.bundlePem,
            requestCert: true,
            // Refused below: Node would hang up without saying why.
            rejectUnauthorized: false,
        },
        (socket) => {
            if (socket.authorized) {
                socket.end(`hello ${socket.getPeerCertificate().subject.CN}`);
            } else {
                refusal = String(socket.authorizationError);
                socket.destroy();
            }
        },
    );
    listener.on("tlsClientError", (error) => (refusal = error.message));
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    try {
        return await ask((listener.address() as AddressInfo).port, client, name);
    } catch (error) {
        const { message } = error as Error;
        throw new Error(`the client says: ${message}; the server says: ${refusal}`, { cause: error });
    } finally {
        listener.close();
    }
}

function ask(
    port: number,
    { certPem, keyPem, bundlePem }: { bundlePem: string } & Partial<Identity>,
    name: string,
): Promise<string> {
    return new Promise((resolve, reject) => {
        const socket = tls.connect({
            host: "127.0.0.1",
            port,
            servername: name,
            ca: bundlePem,
            cert: certPem,
            key: keyPem,
        });
        let heard = "";
        socket.setTimeout(5000, () => socket.destroy(new Error("no answer in time")));
        socket.on("data", (data: Buffer) => (heard += data.toString()));
        socket.on("error", reject);
        socket.on("close", () => (heard === "" ? reject(new Error("the server hung up")) : resolve(heard)));
    });
}

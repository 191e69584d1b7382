import { X509Certificate } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import * as https from "node:https";
import * as tls from "node:tls";

export interface TlsRequest {
    /** On 127.0.0.1. */
    port: number;
    path?: string;
    /** The name that the server is asked for, in TLS and in the header Host. */
    servername: string;
    /** PEM of the CAs to trust. Without it nothing is verified. */
    ca?: string;
    headers?: Record<string, string>;
    /** Default: GET. */
    method?: string;
    /** Sent as JSON. */
    body?: unknown;
}

export interface TlsAnswer {
    status: number;
    headers: IncomingHttpHeaders;
    body: string;
}

/** One HTTPS request to 127.0.0.1 on a connection of its own. */
export function tlsRequest(options: TlsRequest): Promise<TlsAnswer> {
    return new Promise((resolve, reject) => {
        const request = https.request(
            {
                method: options.method ?? "GET",
                host: "127.0.0.1",
                port: options.port,
                path: options.path ?? "/",
                servername: options.servername,
                headers: { host: options.servername, ...options.headers },
                ca: options.ca,
                rejectUnauthorized: options.ca !== undefined,
                agent: false,
                timeout: 5000,
            },
            (response) => {
                let body = "";
                response.setEncoding("utf8");
                response.on("data", (chunk: string) => (body += chunk));
                response.on("end", () =>
                    resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
                );
                response.on("error", reject);
            },
        );
        request.on("timeout", () => request.destroy(new Error("no answer in time")));
        request.on("error", reject);
        request.end(options.body === undefined ? undefined : JSON.stringify(options.body));
    });
}

/** The certificate that a server on 127.0.0.1 shows to somebody who asks for this name. */
export function servedCertificate(port: number, servername: string): Promise<X509Certificate> {
    return new Promise((resolve, reject) => {
        const socket = tls.connect({ host: "127.0.0.1", port, servername, rejectUnauthorized: false }, () => {
            const shown = socket.getPeerX509Certificate();
            socket.destroy();
            if (shown === undefined) {
                reject(new Error("the server showed no certificate"));
            } else {
                resolve(shown);
            }
        });
        socket.setTimeout(5000, () => socket.destroy(new Error("no answer in time")));
        socket.on("error", reject);
    });
}

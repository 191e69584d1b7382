import { readFileSync } from "node:fs";
import { join } from "node:path";

import { GracefulServer } from "../common/graceful";
import { Feed } from "./feed";
import { Upstream } from "./upstream";

export interface DashboardOptions {
    /** The counting service, e.g. `http://127.0.0.1:8080`. */
    upstreamUrl: URL;
    /** Milliseconds between two counts while a page is open. Default 1000. */
    intervalMs?: number;
    drainDelayMs: number;
}

const files = {
    "/": { file: "index.html", type: "text/html; charset=utf-8" },
    "/app.js": { file: "app.js", type: "text/javascript; charset=utf-8" },
    "/style.css": { file: "style.css", type: "text/css; charset=utf-8" },
    "/favicon.svg": { file: "favicon.svg", type: "image/svg+xml" },
} as const;

const securityHeaders = {
    "Content-Security-Policy":
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
};

/** The page that counts live: files under public/, the counter's state over `/ws` and, for curl, under `/state`. */
export function createDashboard(options: DashboardOptions): {
    server: GracefulServer;
    drain(): Promise<void>;
} {
    const upstream = new Upstream(options.upstreamUrl);
    const feed = new Feed({ poll: () => upstream.poll(), intervalMs: options.intervalMs ?? 1000 });
    const pages = new Map<string, { type: string; body: Buffer }>(
        Object.entries(files).map(([path, { file, type }]) => [
            path,
            { type, body: readFileSync(join(__dirname, "public", file)) },
        ]),
    );

    const server = new GracefulServer({
        drainDelayMs: options.drainDelayMs,
        handler: (request, response, draining) => {
            const send = (status: number, type: string, body: Buffer | string): void => {
                response.writeHead(status, {
                    ...securityHeaders,
                    "Content-Type": type,
                    "Content-Length": Buffer.byteLength(body),
                });
                response.end(request.method === "HEAD" ? undefined : body);
            };
            const path = request.url?.split("?", 1)[0] ?? "";
            const page = pages.get(path);
            if (request.method !== "GET" && request.method !== "HEAD") {
                send(405, "text/plain", "method not allowed\n");
            } else if (page !== undefined) {
                send(200, page.type, page.body);
            } else if (path === "/health") {
                // About this process only: restarting the dashboard would not bring the counting service back.
                send(draining ? 503 : 200, "text/plain", draining ? "draining\n" : "ok\n");
            } else if (path === "/state") {
                void upstream.poll().then((state) => {
                    send(
                        state.reachable ? 200 : 502,
                        "application/json; charset=utf-8",
                        JSON.stringify(state) + "\n",
                    );
                });
            } else {
                send(404, "text/plain", "not found\n");
            }
        },
    });
    server.server.on("upgrade", (request, socket, head) => {
        socket.on("error", () => socket.destroy());
        if (request.url?.split("?", 1)[0] === "/ws") {
            feed.accept(request, socket, head);
        } else {
            socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        }
    });
    return {
        server,
        drain: () => {
            feed.close();
            return server.drain();
        },
    };
}

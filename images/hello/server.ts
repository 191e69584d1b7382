import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";

import { GracefulServer } from "../common/graceful";

export interface HelloOptions {
    /** Whom to greet with: `Hello from <name>`. */
    name: string;
    /** Which of the instances answers, e.g. a short allocation id. */
    instance: string;
    /** The machine that it runs on. */
    node: string;
    /** The machine's address as the scheduler advertises it; empty when unknown. */
    nodeAddress: string;
    /** The port that clients reach it on. */
    port: number;
    drainDelayMs: number;
    /** A cookie that visitors get who have none, as applications give one that keep a session. Default: none. */
    sessionCookie?: string;
}

interface Greeting {
    message: string;
    instance: string;
    node: string;
    address: string;
    port: number;
    request: { method: string; url: string; headers: IncomingHttpHeaders };
}

/** The demo web application: says which instance answered, and what the balancer made of the request. */
export function createHello(options: HelloOptions): GracefulServer {
    return new GracefulServer({
        drainDelayMs: options.drainDelayMs,
        handler: (request, response, draining) => {
            response.setHeader("X-Instance", options.instance);
            const path = request.url?.split("?", 1)[0];
            if (path === "/health") {
                send(response, draining ? 503 : 200, "text/plain", draining ? "draining\n" : "ok\n");
            } else if (path !== "/") {
                send(response, 404, "text/plain", "not found: try / or /health\n");
            } else if (request.method !== "GET" && request.method !== "HEAD") {
                response.setHeader("Allow", "GET, HEAD");
                send(response, 405, "text/plain", "method not allowed\n");
            } else {
                const greeting = greet(options, request);
                beginSession(options.sessionCookie, request, response);
                response.setHeader("Vary", "Accept");
                if (/\bapplication\/json\b/.test(request.headers.accept ?? "")) {
                    send(response, 200, "application/json", JSON.stringify(greeting) + "\n");
                } else {
                    send(response, 200, "text/plain", renderText(greeting));
                }
            }
        },
    });
}

function greet(options: HelloOptions, request: IncomingMessage): Greeting {
    return {
        message: `Hello from ${options.name}`,
        instance: options.instance,
        node: options.node,
        address: options.nodeAddress,
        port: options.port,
        request: { method: request.method ?? "", url: request.url ?? "", headers: request.headers },
    };
}

function beginSession(cookie: string | undefined, request: IncomingMessage, response: ServerResponse): void {
    const known = (request.headers.cookie ?? "").split(/; */).some((each) => each.startsWith(`${cookie}=`));
    if (cookie !== undefined && !known) {
        response.setHeader("Set-Cookie", `${cookie}=${randomUUID()}; Path=/; HttpOnly; SameSite=Lax`);
    }
}

function renderText(greeting: Greeting): string {
    const { request } = greeting;
    const node = greeting.address === "" ? greeting.node : `${greeting.node} (${greeting.address})`;
    const headers = Object.entries(request.headers).map(
        ([name, value]) => `  ${name}: ${[value].flat().join(", ")}`,
    );
    return [
        greeting.message,
        "",
        `instance  ${greeting.instance}`,
        `node      ${node}`,
        `port      ${greeting.port}`,
        `request   ${request.method} ${request.url}`,
        ...headers,
        "",
    ].join("\n");
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
    response.writeHead(status, {
        "Content-Type": `${type}; charset=utf-8`,
        "Content-Length": Buffer.byteLength(body),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    });
    response.end(response.req.method === "HEAD" ? undefined : body);
}

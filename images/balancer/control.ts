import { chmodSync, rmSync } from "node:fs";
import * as http from "node:http";

import { messageOf } from "./messages";
import { internalPorts, paths } from "./paths";
import { poll } from "./poll";
import type { Health } from "./supervisor";

/** Answers `/health` on the container's loopback, where HAProxy leads it. */
export function serveHealth(health: () => Promise<Health>): Promise<void> {
    const server = http.createServer((_, response) => {
        health().then(
            (state) =>
                answer(response, state.alive ? 200 : 503, "application/json", `${JSON.stringify(state)}\n`),
            (error: unknown) => answer(response, 500, "text/plain", `${String(error)}\n`),
        );
    });
    return listen(server, { port: internalPorts.health, host: "127.0.0.1" });
}

/** What the balancer can be told while it runs. Each gets the request's body and returns what came of it, to be said. */
export type Command = "apply" | "await";
export type Commands = Record<Command, (body: string) => Promise<string>>;

/** Takes commands on a socket that only root can open. */
export async function serveControl(commands: Commands): Promise<void> {
    rmSync(paths.control, { force: true });
    const server = http.createServer((request, response) => {
        let body = "";
        request.setEncoding("utf8");
        request.on("data", (chunk: string) => (body += chunk));
        request.on("end", () => {
            const name = request.url?.slice(1) ?? "";
            const outcome =
                name in commands
                    ? commands[name as Command](body)
                    : Promise.reject(new Error(`this balancer does not know "${name}"`));
            outcome.then(
                (message) => answer(response, 200, "text/plain", `${message}\n`),
                (error: unknown) => answer(response, 422, "text/plain", `${messageOf(error)}\n`),
            );
        });
    });
    await listen(server, { path: paths.control });
    chmodSync(paths.control, 0o600);
}

/**
 * Gives a command to the balancer that runs in this container. Waits a while for one that is still starting. Returns
 * whether it was carried out, and what was said.
 */
export async function send(
    command: Command,
    body: string,
    waitSeconds = 20,
): Promise<{ ok: boolean; message: string }> {
    try {
        return await poll(waitSeconds * 1000, 100, async () => post(command, body));
    } catch (error) {
        return {
            ok: false,
            message: `the balancer in this container does not answer: ${messageOf(error)}\n`,
        };
    }
}

function post(command: Command, body: string): Promise<{ ok: boolean; message: string }> {
    return new Promise((resolve, reject) => {
        const request = http.request(
            { socketPath: paths.control, path: `/${command}`, method: "POST", timeout: 60_000 },
            (response) => {
                let message = "";
                response.setEncoding("utf8");
                response.on("data", (chunk: string) => (message += chunk));
                response.on("end", () => resolve({ ok: response.statusCode === 200, message }));
                response.on("error", reject);
            },
        );
        request.on("timeout", () => request.destroy(new Error("no answer within a minute")));
        request.on("error", reject);
        request.end(body);
    });
}

function listen(
    server: http.Server,
    where: { port: number; host: string } | { path: string },
): Promise<void> {
    return new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(where, () => resolve());
    });
}

function answer(response: http.ServerResponse, status: number, type: string, body: string): void {
    response.writeHead(status, { "Content-Type": `${type}; charset=utf-8`, "Cache-Control": "no-store" });
    response.end(body);
}

import { GracefulServer } from "../common/graceful";

import type { Monitor } from "./monitor";

/** The monitor's own health: `GET /health` is 200 while it follows the catalogue, and 503 with the reason if not. */
export function createService(monitor: Monitor): {
    server: GracefulServer;
    drain(): Promise<void>;
} {
    const server = new GracefulServer({
        drainDelayMs: 0,
        handler: (request, response, draining) => {
            const known = request.url?.split("?", 1)[0] === "/health";
            const trouble = draining ? "draining" : monitor.trouble;
            const body = !known ? "not found: try /health" : (trouble ?? `ok, ${monitor.size} checks`);
            response.writeHead(!known ? 404 : trouble === undefined ? 200 : 503, {
                "Content-Type": "text/plain; charset=utf-8",
                "Cache-Control": "no-store",
            });
            response.end(`${body}\n`);
        },
    });
    return {
        server,
        drain: async () => void (await Promise.all([server.drain(), monitor.stop()])),
    };
}

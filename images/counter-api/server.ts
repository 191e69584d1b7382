import { GracefulServer } from "../common/graceful";

export interface CounterApiOptions {
    hostname: string;
    drainDelayMs: number;
}

/** Counts the requests it gets; the answer has the form of the counting service in HashiCorp's demo. */
export function createCounterApi(options: CounterApiOptions): GracefulServer {
    let count = 0;
    return new GracefulServer({
        drainDelayMs: options.drainDelayMs,
        handler: (request, response, draining) => {
            const health = request.url?.split("?", 1)[0] === "/health";
            const answer = health
                ? { status: draining ? "draining" : "ok" }
                : { count: ++count, hostname: options.hostname };
            const body = JSON.stringify(answer) + "\n";
            response.writeHead(health && draining ? 503 : 200, {
                "Content-Type": "application/json; charset=utf-8",
                "Content-Length": Buffer.byteLength(body),
                "Cache-Control": "no-store",
            });
            response.end(body);
        },
    });
}

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";

import type { CounterState } from "./upstream";

export interface FeedOptions {
    poll: () => Promise<CounterState>;
    /** Milliseconds from one answer to the next question. */
    intervalMs: number;
    /** Pages that may watch at once; further ones are turned away. */
    maxViewers?: number;
}

/** Sends the counter's state to every open page; asks the upstream only while somebody watches. */
export class Feed {
    private readonly sockets = new WebSocketServer({ noServer: true, maxPayload: 1024 });
    private timer: NodeJS.Timeout | undefined;
    private polling = false;
    private closed = false;

    constructor(private readonly options: FeedOptions) {}

    get viewers(): number {
        return this.sockets.clients.size;
    }

    accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
        if (this.closed || this.viewers >= (this.options.maxViewers ?? 500)) {
            socket.end("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            return;
        }
        this.sockets.handleUpgrade(request, socket, head, (client) => {
            client.on("error", () => client.terminate());
            this.wake();
        });
    }

    /** Tells the pages to come back later, and stops asking. */
    close(): void {
        this.closed = true;
        clearTimeout(this.timer);
        for (const client of this.sockets.clients) {
            client.close(1001, "the dashboard restarts");
            setTimeout(() => client.terminate(), 1000).unref();
        }
    }

    private wake(): void {
        if (!this.polling) {
            clearTimeout(this.timer);
            void this.tick();
        }
    }

    private async tick(): Promise<void> {
        this.polling = true;
        const message = JSON.stringify(await this.options.poll());
        this.polling = false;
        for (const client of this.sockets.clients) {
            deliver(client, message);
        }
        if (!this.closed && this.viewers > 0) {
            this.timer = setTimeout(() => void this.tick(), this.options.intervalMs);
        }
    }
}

/** A page that no longer reads is dropped: what it has not fetched would pile up here. */
function deliver(client: WebSocket, message: string): void {
    if (client.bufferedAmount > 64 * 1024) {
        client.terminate();
    } else if (client.readyState === client.OPEN) {
        client.send(message);
    }
}

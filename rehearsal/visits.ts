import { request } from "../tests/support/http";

/** How a lab's entrance is reached, and by which name if it has several. */
export const entrances: Record<string, { url: string; host?: string }> = {
    nomad: { url: "webapp" },
    routed: { url: "http", host: "helloworld.service" },
};

export interface Visit {
    status: number;
    /** Which instance of the application has answered. */
    instance: string;
    /** Whom HAProxy takes for the client. */
    client: string;
}

/** Requests one after the other, each on a connection of its own, as first visits are. */
export async function visits(url: string, count: number, host?: string): Promise<Visit[]> {
    const found: Visit[] = [];
    for (let number = 0; number < count; number += 1) {
        const { status, headers, body } = await request(url, {
            headers: { accept: "application/json", ...(host === undefined ? {} : { host }) },
        });
        found.push({ status, instance: String(headers["x-instance"] ?? ""), client: clientIn(body) });
    }
    return found;
}

/** The demo application repeats what it was asked. */
function clientIn(body: string): string {
    try {
        const { request: asked } = JSON.parse(body) as { request?: { headers?: Record<string, string> } };
        return asked?.headers?.["x-forwarded-for"] ?? "";
    } catch {
        return "";
    }
}

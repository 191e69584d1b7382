import { promises as dns } from "node:dns";
import * as http from "node:http";

import type { ServerState } from "./haproxy-sockets";
import type { Backend, Settings } from "./settings";

const answerWithinMs = 1000;

/**
 * Whether HAProxy sends requests to what this backend is now: its name leads to the address that HAProxy has, it
 * answers there, and HAProxy has no failed check of it to remember. So a server that was just replaced counts as soon
 * as its successor serves, also if HAProxy never missed it. Rejects with what is not so yet.
 */
export async function assertServing(
    backend: Backend,
    settings: Settings,
    state: ServerState | undefined,
): Promise<void> {
    const addresses = await dns.lookup(backend.host, { family: 4, all: true });
    const addressesHere = addresses.map(({ address }) => `${address}:${backend.port}`);
    if (state === undefined || !addressesHere.includes(state.address)) {
        throw new Error(
            `${backend.host} is at ${addressesHere.join(", ")}, HAProxy has ${state?.address || "no address"}`,
        );
    }
    const status = await statusOf(state.address, settings);
    if (status < 200 || status > 399) {
        throw new Error(`${state.address} answers ${status}`);
    }
    if (!state.steady) {
        throw new Error(`HAProxy says ${state.words}`);
    }
}

/** Asks as HAProxy's checks do. */
function statusOf(address: string, { healthPath, https }: Settings): Promise<number> {
    return new Promise((resolve, reject) => {
        const request = http.get(
            `http://${address}${healthPath}`,
            {
                agent: false,
                timeout: answerWithinMs,
                headers: https === undefined ? {} : { host: https.domain },
            },
            (response) => {
                response.resume();
                resolve(response.statusCode ?? 0);
            },
        );
        request.on("timeout", () => request.destroy(new Error(`${address} does not answer`)));
        request.on("error", reject);
    });
}

// @ts-check
"use strict";

/*
 * An instance that comes and goes: from within the machine of the nomad lab it registers itself in Consul as one more of
 * a service, waits until requests arrive, leaves in one of three ways, and tells after how many milliseconds somebody
 * came to it for the last time. One process and one clock do it all.
 *
 *   node -e "$(cat departure.cjs)" '{"how": "death", "service": "demo-webapp", "address": "10.0.0.2", "trials": 3,
 *                                    "watch": 4000, "statistics": {"url": "http://127.0.0.1:1936/;csv", "auth": "admin:…"}}'
 *
 *   deregistration   it tells Consul, and answers as before; until the last request
 *   death            it refuses connections; until the last attempt to connect, as HAProxy counts them
 *   silence          it takes connections and requests, and answers nothing more; until the last request
 */

const http = require("node:http");

/**
 * @type {{ how: "deregistration" | "death" | "silence", service: string, address: string, trials: number, watch: number,
 *          statistics: { url: string, auth: string } }}
 */
const { how, service, address, trials, watch, statistics } = JSON.parse(process.argv[1] ?? "{}");

/** @param {number} ms @returns {Promise<void>} */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @param {string} url @param {http.RequestOptions} options @param {unknown} [body] @returns {Promise<string>} */
const ask = (url, options = {}, body = undefined) =>
    new Promise((resolve, reject) => {
        const request = http.request(url, { agent: false, timeout: 5000, ...options }, (response) => {
            let text = "";
            response.on("data", (/** @type {Buffer} */ part) => (text += part));
            response.on("end", () =>
                response.statusCode === 200
                    ? resolve(text)
                    : reject(new Error(`${url} answered ${response.statusCode}: ${text.slice(0, 200)}`)),
            );
        });
        request.on("timeout", () => request.destroy(new Error(`${url} does not answer`)));
        request.on("error", reject);
        request.end(body === undefined ? undefined : JSON.stringify(body));
    });

const consul = "http://127.0.0.1:8500/v1/agent/service";

/** Attempts to reach a server that failed, in all; HAProxy's own checks are not among them. */
async function failedAttempts() {
    const [head = "", ...rows] = (await ask(statistics.url, { auth: statistics.auth })).split("\n");
    const columns = head.replace(/^# /, "").split(",");
    const backend = rows
        .map((row) => row.split(","))
        .find((row) => row[columns.indexOf("svname")] === "BACKEND");
    // Given up, sent again, sent to another.
    return ["econ", "wretr", "wredis"].reduce(
        (all, name) => all + Number(backend?.[columns.indexOf(name)]),
        0,
    );
}

async function trial() {
    /** When the last request came that was no check. */
    let last = 0;
    let requests = 0;
    let silent = false;
    const server = http.createServer((request, response) => {
        if (request.url !== "/health") {
            last = performance.now();
            requests += 1;
        }
        if (!silent) {
            response.end("ok\n");
        }
    });
    await new Promise((resolve) => server.listen(0, () => resolve(undefined)));
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    const id = `departing-${port}`;
    const check = { CheckID: id, TTL: "1h", Status: "passing" };
    const leave = () => ask(`${consul}/deregister/${id}`, { method: "PUT" });
    try {
        await ask(
            `${consul}/register`,
            { method: "PUT" },
            { ID: id, Name: service, Address: address, Port: port, Check: check },
        );
        for (let waited = 0; requests < 10; waited += 20) {
            if (waited > 60_000) {
                throw new Error(`only ${requests} requests came within a minute`);
            }
            await pause(20);
        }
        // When HAProxy's own check has passed, and at any point between two checks and two questions.
        await pause(1200 + Math.random() * 1200);
        let left = performance.now();
        if (how === "deregistration") {
            await leave();
            await pause(watch);
        } else if (how === "silence") {
            silent = true;
            await pause(watch);
        } else {
            let counted = await failedAttempts();
            left = performance.now();
            last = left;
            server.close();
            server.closeAllConnections();
            while (performance.now() - left < watch) {
                const now = await failedAttempts();
                if (now !== counted) {
                    counted = now;
                    last = performance.now();
                }
                await pause(10);
            }
        }
        return Math.max(0, last - left);
    } finally {
        server.close();
        server.closeAllConnections();
        // After a deregistration Consul does not know it any more.
        await leave().catch(() => undefined);
    }
}

(async () => {
    const spans = [];
    for (let n = 0; n < trials; n += 1) {
        spans.push(await trial());
    }
    console.log(JSON.stringify(spans));
})().catch((/** @type {Error} */ error) => {
    console.error(error.message);
    process.exitCode = 1;
});

// @ts-check
"use strict";

/*
 * A constant stream of GET requests from within a lab's network, as a program makes them whose resolver knows several
 * balancers: request after request begins with the next of them, and where nobody takes the connection, it goes to the
 * one after that. Everything else that goes wrong is a failure: what a balancer has accepted it has to answer.
 *
 *   node -e "$(cat network-load.cjs)" '{"addresses": ["10.0.0.1", "10.0.0.2"], "host": "helloworld.service", "rate": 50}'
 *
 * It says on standard error that it has begun, ends on SIGTERM, when what is under way has been answered, and prints its
 * report.
 */

const http = require("node:http");

/** @type {{ addresses: string[], host: string, rate: number }} */
const { addresses, host, rate } = JSON.parse(process.argv[1] ?? "{}");

const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
const begin = performance.now();
const report = {
    requests: 0,
    failed: 0,
    /** @type {{ atMs: number, address: string, reason: string }[]} */
    failures: [],
    /** Requests for which another balancer was asked, by the one that took no connection. @type {Record<string, number>} */
    elsewhere: {},
    /** Answers by the balancer that gave them. @type {Record<string, number>} */
    answered: {},
    /** Sent again, once, because an idle connection was closed at the moment (RFC 9110, 9.2.2). */
    resent: 0,
    slowestMs: 0,
};
/** @type {Set<Promise<void>>} */
const running = new Set();
let sent = 0;

/** @param {Record<string, number>} counts @param {string} key */
function count(counts, key) {
    counts[key] = (counts[key] ?? 0) + 1;
}

/**
 * @param {string} address @param {boolean} mayResend
 * @returns {Promise<number>}
 */
function ask(address, mayResend) {
    return new Promise((resolve, reject) => {
        const request = http.get({ host: address, headers: { host }, agent, timeout: 5000 }, (response) => {
            response.on("error", reject);
            response.on("end", () => resolve(response.statusCode ?? 0));
            response.resume();
        });
        request.on("socket", (socket) => {
            if (socket.connecting) {
                const unreachable = Object.assign(new Error("no connection within 1 s"), {
                    syscall: "connect",
                });
                // A process that has not run for a second sees the time first, and the connection that it has by now
                // only then.
                const giveUp = () => socket.connecting && request.destroy(unreachable);
                const timer = setTimeout(() => setImmediate(giveUp), 1000);
                socket.once("connect", () => clearTimeout(timer));
                socket.once("close", () => clearTimeout(timer));
            }
        });
        request.on("timeout", () => request.destroy(new Error("no answer within 5 s")));
        request.on("error", (/** @type {NodeJS.ErrnoException} */ error) => {
            if (mayResend && request.reusedSocket && ["ECONNRESET", "EPIPE"].includes(error.code ?? "")) {
                report.resent += 1;
                ask(address, false).then(resolve, reject);
            } else {
                reject(error);
            }
        });
    });
}

/** @param {number} number */
async function one(number) {
    const started = performance.now();
    let failure = { address: "", reason: "no balancer takes a connection" };
    for (const index of addresses.keys()) {
        const address = /** @type {string} */ (addresses[(number + index) % addresses.length]);
        try {
            const status = await ask(address, true);
            if (status === 200) {
                count(report.answered, address);
                failure = { address, reason: "" };
            } else {
                failure = { address, reason: `status ${status}` };
            }
            break;
        } catch (error) {
            const { syscall, code, message } = /** @type {NodeJS.ErrnoException} */ (error);
            if (syscall !== "connect") {
                failure = { address, reason: code ?? message };
                break;
            }
            count(report.elsewhere, address);
        }
    }
    report.requests += 1;
    report.slowestMs = Math.max(report.slowestMs, Math.round(performance.now() - started));
    if (failure.reason !== "") {
        report.failed += 1;
        if (report.failures.length < 100) {
            report.failures.push({ atMs: Math.round(started - begin), ...failure });
        }
    }
}

const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - begin) / 1000) * rate);
    for (; sent < due; sent += 1) {
        const request = one(sent).finally(() => running.delete(request));
        running.add(request);
    }
}, 5);

process.on("SIGTERM", () => {
    clearInterval(timer);
    void Promise.all(running).then(() => {
        console.log(JSON.stringify(report));
        process.exit();
    });
});

console.error("begun");

// @ts-check
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const tls = require("node:tls");
const { UserError, codeOf } = require("./errors");

/** Seconds to wait for a connection. */
const connectTimeout = 3;
/** Seconds without a byte after which a transfer counts as dead. */
const idleTimeout = 15;
const maximumRedirects = 5;

/**
 * Why something could not be fetched. `unreachable`: the host, not the file, is to blame. `missing`: the host has no
 * such file.
 */
class DownloadError extends Error {
    /** @param {string} message @param {{ unreachable?: boolean, missing?: boolean }} [more] */
    constructor(message, more = {}) {
        super(message);
        this.name = "DownloadError";
        this.unreachable = more.unreachable === true;
        this.missing = more.missing === true;
    }
}

/**
 * Fetches over HTTPS, and gives up a host for the rest of the run at its first failure to answer, so that a
 * machine without internet access loses seconds, not minutes.
 */
class Downloader {
    /** @param {{ env?: NodeJS.ProcessEnv, connectTimeout?: number, idleTimeout?: number, allowHttp?: boolean }} [options] */
    constructor(options = {}) {
        this.env = options.env ?? process.env;
        this.connectTimeout = options.connectTimeout ?? connectTimeout;
        this.idleTimeout = options.idleTimeout ?? idleTimeout;
        this.allowHttp = options.allowHttp === true;
        /** @type {Map<string, string>} why each host was given up */
        this.givenUp = new Map();
    }

    /**
     * Whether the host of the address answers at all, whatever it says.
     * @param {string} address
     * @returns {Promise<boolean>}
     */
    async reachable(address) {
        try {
            const response = await this.open(new URL(address), "HEAD", 0);
            response.destroy();
            return true;
        } catch (error) {
            return error instanceof DownloadError && !error.unreachable;
        }
    }

    /**
     * A small file's content.
     * @param {string} address
     * @returns {Promise<Buffer>}
     */
    async read(address) {
        /** @type {Buffer[]} */
        const chunks = [];
        await this.transfer(address, (chunk) => chunks.push(chunk));
        return Buffer.concat(chunks);
    }

    /**
     * Saves a file and returns its SHA-256. What is left after a failure is for the caller's temporary folder.
     * @param {string} address
     * @param {string} file
     * @param {(share: number) => void} [onProgress] the fetched share, 0 to 1, where the size is known
     * @returns {Promise<string>}
     */
    async save(address, file, onProgress) {
        const hash = crypto.createHash("sha256");
        const out = fs.openSync(file, "w");
        try {
            await this.transfer(
                address,
                (chunk) => {
                    hash.update(chunk);
                    fs.writeSync(out, chunk);
                },
                onProgress,
            );
        } catch (error) {
            if (codeOf(error) === "ENOSPC") {
                throw new UserError(
                    `${file} cannot be written: the disk is full`,
                    "free some space and run the command again",
                );
            }
            throw error;
        } finally {
            fs.closeSync(out);
        }
        return hash.digest("hex");
    }

    /**
     * @param {string} address
     * @param {(chunk: Buffer) => void} take
     * @param {(share: number) => void} [onProgress]
     */
    async transfer(address, take, onProgress) {
        const url = new URL(address);
        const response = await this.open(url, "GET", 0);
        const total = Number(response.headers["content-length"] ?? 0);
        let received = 0;
        await new Promise((resolve, reject) => {
            const fail = (/** @type {string} */ why) => {
                // In this order: destroying it reports another failure.
                reject(this.giveUp(url.host, `${address}: ${why}`));
                response.destroy();
            };
            response.setTimeout(this.idleTimeout * 1000, () => fail(`no data for ${this.idleTimeout} s`));
            response.on("data", (/** @type {Buffer} */ chunk) => {
                received += chunk.length;
                try {
                    take(chunk);
                } catch (error) {
                    response.destroy();
                    reject(error);
                }
                if (total > 0) {
                    onProgress?.(received / total);
                }
            });
            response.on("aborted", () => fail("the connection was cut off"));
            response.on("error", (error) => fail(error.message));
            response.on("end", () =>
                total > 0 && received !== total
                    ? fail(`${received} of ${total} bytes came`)
                    : resolve(undefined),
            );
        });
    }

    /**
     * @param {URL} url
     * @param {"GET" | "HEAD"} method
     * @param {number} redirects
     * @returns {Promise<http.IncomingMessage>}
     */
    async open(url, method, redirects) {
        if (url.protocol !== "https:" && !this.allowHttp) {
            throw new DownloadError(`${url}: only https is used`);
        }
        const before = this.givenUp.get(url.host);
        if (before !== undefined) {
            throw new DownloadError(before, { unreachable: true });
        }
        const response = await this.request(url, method);
        const status = response.statusCode ?? 0;
        const location = response.headers.location;
        if (status >= 300 && status < 400 && location !== undefined) {
            response.destroy();
            if (redirects >= maximumRedirects) {
                throw new DownloadError(`${url}: too many redirections`);
            }
            return this.open(new URL(location, url), method, redirects + 1);
        }
        if (status !== 200) {
            response.destroy();
            throw new DownloadError(`${url}: the server answered ${status}`, {
                missing: status === 404 || status === 410,
            });
        }
        return response;
    }

    /**
     * @param {URL} url
     * @param {"GET" | "HEAD"} method
     * @returns {Promise<http.IncomingMessage>}
     */
    async request(url, method) {
        const proxy = proxyFor(url, this.env);
        /** @type {tls.TLSSocket | undefined} */
        let socket;
        if (proxy !== undefined && url.protocol === "https:") {
            socket = await this.tunnel(url, proxy);
        }
        return new Promise((resolve, reject) => {
            const agent = url.protocol === "https:" ? https : http;
            const request = agent.request(url, {
                method,
                agent: false,
                headers: { "user-agent": "gatehouse" },
                ...(socket === undefined
                    ? {}
                    : { createConnection: () => /** @type {tls.TLSSocket} */ (socket) }),
            });
            // Name look-up, connection, TLS and the first byte of the answer together.
            const timer = setTimeout(
                () => request.destroy(new Error(`no answer within ${this.connectTimeout} s`)),
                this.connectTimeout * 1000,
            );
            request.on("response", (response) => {
                clearTimeout(timer);
                resolve(response);
            });
            request.on("error", (error) => {
                clearTimeout(timer);
                reject(this.giveUp(url.host, `${url.host} cannot be reached: ${error.message}`));
            });
            request.end();
        });
    }

    /**
     * A TLS connection through an HTTP proxy.
     * @param {URL} url
     * @param {URL} proxy
     * @returns {Promise<tls.TLSSocket>}
     */
    tunnel(url, proxy) {
        return new Promise((resolve, reject) => {
            const fail = (/** @type {string} */ why) =>
                reject(
                    this.giveUp(
                        url.host,
                        `${url.host} cannot be reached through the proxy ${proxy.host}: ${why}`,
                    ),
                );
            const target = `${url.hostname}:${url.port || 443}`;
            const user = decodeURIComponent(proxy.username);
            const password = decodeURIComponent(proxy.password);
            const request = http.request({
                host: proxy.hostname,
                port: proxy.port || 80,
                method: "CONNECT",
                path: target,
                agent: false,
                headers: {
                    host: target,
                    ...(user && {
                        "proxy-authorization": `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
                    }),
                },
            });
            request.setTimeout(this.connectTimeout * 1000, () => request.destroy(new Error("no answer")));
            request.on("error", (error) => fail(error.message));
            request.on("connect", (response, raw) => {
                if (response.statusCode !== 200) {
                    raw.destroy();
                    fail(`it answered ${response.statusCode}`);
                    return;
                }
                resolve(tls.connect({ socket: raw, servername: url.hostname }));
            });
            request.end();
        });
    }

    /** @param {string} host @param {string} why */
    giveUp(host, why) {
        this.givenUp.set(host, why);
        return new DownloadError(why, { unreachable: true });
    }
}

/**
 * The proxy that the usual variables name for an address, or undefined.
 * @param {URL} url
 * @param {NodeJS.ProcessEnv} env
 * @returns {URL | undefined}
 */
function proxyFor(url, env) {
    const value = env["https_proxy"] || env["HTTPS_PROXY"] || env["all_proxy"] || env["ALL_PROXY"];
    if (!value || !/^http:/.test(value)) {
        return undefined;
    }
    const exceptions = (env["no_proxy"] || env["NO_PROXY"] || "").split(",").map((entry) => entry.trim());
    const excepted = exceptions.some(
        (entry) =>
            entry === "*" || (entry !== "" && `.${url.hostname}`.endsWith(`.${entry.replace(/^\*?\./, "")}`)),
    );
    return excepted ? undefined : new URL(value);
}

/**
 * The checksum that a list such as SHA256SUMS states for a file. Signed lists carry other lines too.
 * @param {string} list
 * @param {string} file
 * @returns {string | undefined}
 */
function checksumOf(list, file) {
    for (const line of list.split("\n")) {
        const [, sum, name] = /^([0-9a-f]{64})\s+[*]?(?:\.\/)?(\S+)\s*$/i.exec(line) ?? [];
        if (name === file && sum !== undefined) {
            return sum.toLowerCase();
        }
    }
    return undefined;
}

module.exports = { Downloader, DownloadError, proxyFor, checksumOf };

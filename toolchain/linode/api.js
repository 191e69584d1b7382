// @ts-check
"use strict";

const http = require("node:http");
const https = require("node:https");
const { setTimeout: sleep } = require("node:timers/promises");
const { Downloader, proxyFor } = require("../download");
const { UserError } = require("../errors");
const { defaultUrl, tokenRemedy } = require("./access");

/** @typedef {import("./access").Access} Access */

/** Seconds until a request must have been answered. */
const defaultTimeout = 15;
/** How often a request is repeated that the API puts off (429, 503), and one whose connection breaks. */
const mostRepeats = { putOff: 4, broken: 2 };
/** Seconds between repeats where the API does not say; and the longest that it may ask for. */
const pause = { unsaid: 1, longest: 30 };

/** The largest page that the API gives: one request where a hundred a page would take several. */
const defaultPageSize = 500;

/** The API said no. `status` is HTTP's; `reasons` are in its own words. */
class LinodeRefusal extends UserError {
    /**
     * @param {string} what
     * @param {number} status
     * @param {string[]} reasons
     * @param {string} [remedy]
     */
    constructor(what, status, reasons, remedy) {
        super(`${what}: ${reasons.join("; ") || `it answered ${status}`}`, remedy);
        this.name = "LinodeRefusal";
        this.status = status;
        this.reasons = reasons;
    }
}

/** The API did not answer, or asked to come back later again and again. */
class LinodeUnreachable extends UserError {
    /** @param {string} message @param {string} remedy */
    constructor(message, remedy) {
        super(message, remedy);
        this.name = "LinodeUnreachable";
    }
}

/**
 * The part of the Linode API that is asked outside of Pulumi: lists, prices, and the removal of what a lost state has
 * left. Errors are UserErrors with the API's reason; none of them contains the token.
 */
class LinodeApi {
    /**
     * @param {Access} access
     * @param {{ timeout?: number, pageSize?: number, pause?: (seconds: number) => Promise<unknown>, env?: NodeJS.ProcessEnv }} [options]
     *     `timeout` in seconds; `pause` waits for so many seconds
     */
    constructor(access, options = {}) {
        this.access = access;
        this.timeout = options.timeout ?? defaultTimeout;
        this.pageSize = options.pageSize ?? defaultPageSize;
        this.pause = options.pause ?? ((seconds) => sleep(seconds * 1000));
        this.env = options.env ?? process.env;
        try {
            this.base = new URL(`${access.url.replace(/\/+$/, "")}/v4/`);
        } catch {
            throw new UserError(
                `${access.urlSetting}: ${access.url} is not an address`,
                `set an address such as ${defaultUrl}, or remove it`,
            );
        }
        /** What the token may do, as far as the API has said; undefined until it has. @type {string[] | undefined} */
        this.grantedScopes = undefined;
    }

    /**
     * @template T
     * @param {string} path without the version, such as `linode/types`
     * @param {object} [filter]
     * @returns {Promise<T>}
     */
    get(path, filter) {
        return this.ask("GET", path, filter);
    }

    /**
     * Undefined when there is no such thing.
     * @template T
     * @param {string} path
     * @returns {Promise<T | undefined>}
     */
    async find(path) {
        try {
            return await this.get(path);
        } catch (error) {
            if (error instanceof LinodeRefusal && error.status === 404) {
                return undefined;
            }
            throw error;
        }
    }

    /**
     * All things of a list, over all of its pages.
     * @template T
     * @param {string} path
     * @param {object} [filter] the API's `X-Filter`
     * @returns {Promise<T[]>}
     */
    async list(path, filter) {
        /** @type {T[]} */
        const all = [];
        for (let page = 1, pages = 1; page <= pages; page++) {
            const answer = /** @type {{ data: T[], pages: number }} */ (
                await this.get(`${path}?page=${page}&page_size=${this.pageSize}`, filter)
            );
            all.push(...answer.data);
            pages = answer.pages;
        }
        return all;
    }

    /** Removes a thing; fine when it is gone already. @param {string} path */
    async remove(path) {
        try {
            await this.ask("DELETE", path);
        } catch (error) {
            if (!(error instanceof LinodeRefusal && error.status === 404)) {
                throw error;
            }
        }
    }

    /**
     * @template T
     * @param {"GET" | "DELETE"} method
     * @param {string} path
     * @param {object} [filter]
     * @returns {Promise<T>}
     */
    async ask(method, path, filter) {
        if (this.access.token === undefined) {
            throw new UserError("linode:token: missing; the Linode API wants to know who asks", tokenRemedy);
        }
        for (let putOff = 0, broken = 0; ;) {
            const answer = await this.send(method, path, filter);
            const again =
                "broken" in answer
                    ? broken++ < mostRepeats.broken
                    : isPutOff(answer) && putOff++ < mostRepeats.putOff;
            if (!again) {
                return /** @type {T} */ (this.judge(method, path, answer));
            }
            const wished = "broken" in answer ? NaN : Number(answer.headers["retry-after"] ?? NaN);
            await this.pause(Math.min(wished > 0 ? wished : pause.unsaid, pause.longest));
        }
    }

    /**
     * @param {string} method
     * @param {string} path
     * @param {Answer} answer
     */
    judge(method, path, answer) {
        if ("broken" in answer) {
            throw new LinodeUnreachable(
                `the Linode API (${this.base.host}) cannot be reached: ${answer.broken}`,
                this.access.urlSetting === ""
                    ? "check this computer's network (behind a proxy set HTTPS_PROXY), then run the command again"
                    : `check ${this.access.urlSetting} (${this.access.url}) and the network, then run the command again`,
            );
        }
        const { status, headers, text } = answer;
        const granted = headers["x-oauth-scopes"];
        if (typeof granted === "string" && granted.trim() !== "") {
            this.grantedScopes = granted.split(/[\s,]+/).filter((scope) => scope !== "");
        }
        if (status >= 200 && status < 300) {
            return readJson(text, this.base.host, this.access);
        }
        const reasons = reasonsIn(text);
        if (status === 401 || (status === 403 && /token|scope/i.test(reasons.join()))) {
            throw new LinodeRefusal(
                "linode:token: the Linode API does not accept the token",
                status,
                reasons,
                tokenRemedy,
            );
        }
        if (isPutOff(answer)) {
            throw new LinodeUnreachable(
                `the Linode API answers ${status} to ${path} again and again: ${reasons.join("; ")}`,
                "https://status.linode.com says whether it is out of order; run the command again later",
            );
        }
        throw new LinodeRefusal(`the Linode API refuses ${method} ${path}`, status, reasons);
    }

    /**
     * One request. Never rejects: a connection that breaks is an answer, too.
     * @typedef {{ status: number, headers: http.IncomingHttpHeaders, text: string } | { broken: string }} Answer
     * @param {string} method
     * @param {string} path
     * @param {object} [filter]
     * @returns {Promise<Answer>}
     */
    async send(method, path, filter) {
        const url = new URL(path.replace(/^\//, ""), this.base);
        const secure = url.protocol === "https:";
        const proxy = secure ? proxyFor(url, this.env) : undefined;
        /** @type {import("node:tls").TLSSocket | undefined} */
        let socket;
        try {
            socket = proxy && (await new Downloader({ env: this.env }).tunnel(url, proxy));
        } catch (error) {
            return { broken: /** @type {Error} */ (error).message };
        }
        return new Promise((resolve) => {
            const request = (secure ? https : http).request(url, {
                method,
                agent: false,
                headers: {
                    accept: "application/json",
                    authorization: `Bearer ${this.access.token}`,
                    "user-agent": "gatehouse",
                    ...(filter && { "x-filter": JSON.stringify(filter) }),
                },
                ...(socket && {
                    createConnection: () => /** @type {import("node:tls").TLSSocket} */ (socket),
                }),
            });
            const timer = setTimeout(
                () => request.destroy(new Error(`no answer within ${this.timeout} s`)),
                this.timeout * 1000,
            );
            const settle = (/** @type {Answer} */ answer) => {
                clearTimeout(timer);
                resolve(answer);
            };
            request.on("error", (error) => settle({ broken: error.message }));
            request.on("response", (response) => {
                let text = "";
                response.setEncoding("utf8");
                response.on("data", (/** @type {string} */ chunk) => (text += chunk));
                response.on("error", (error) => settle({ broken: error.message }));
                response.on("end", () =>
                    settle({ status: response.statusCode ?? 0, headers: response.headers, text }),
                );
            });
            request.end();
        });
    }
}

/** @param {{ status: number }} answer */
function isPutOff({ status }) {
    return status === 408 || status === 429 || status === 503;
}

/** @param {string} text @param {string} host @param {Access} access */
function readJson(text, host, { urlSetting }) {
    try {
        return JSON.parse(text);
    } catch {
        throw new UserError(
            `what answers at ${host} is not the Linode API: ${text.slice(0, 80)}`,
            urlSetting === "" ? "check the proxy of this network" : `correct or remove ${urlSetting}`,
        );
    }
}

/** The reasons in an error of the API, each with the field that it is about. @param {string} text @returns {string[]} */
function reasonsIn(text) {
    try {
        const { errors } = JSON.parse(text);
        return errors.map((/** @type {{ reason: string, field?: string }} */ { reason, field }) =>
            field ? `${field}: ${reason}` : reason,
        );
    } catch {
        return text.trim() === "" ? [] : [text.trim().slice(0, 200)];
    }
}

module.exports = { LinodeApi, LinodeRefusal, LinodeUnreachable };

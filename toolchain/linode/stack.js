// @ts-check
"use strict";

const fs = require("node:fs");
const { UserError, messageOf } = require("../errors");
const { readLifetime, timeToLive } = require("../lifetime");
const { LinodeApi } = require("./api");
const { accessFrom } = require("./access");
const { linodeObjects, removeLinodeObjects, summary, tagOf } = require("./objects");
const { receipt } = require("./receipt");
const { settingsOf, stackFile, substrateOf } = require("../stackfile");

/** @param {string} stack */
function isOnLinode(stack) {
    return substrateOf(stack) === "linode";
}

/**
 * Reading a setting is a run of Pulumi.
 * @type {WeakMap<import("../pulumi").Pulumi, Promise<LinodeApi>>}
 */
const clients = new WeakMap();

/**
 * A client of the API with the stack's own token and address, as the provider gets them.
 * @param {import("../pulumi").Pulumi} pulumi
 */
function linodeApi(pulumi) {
    const client = clients.get(pulumi) ?? connect(pulumi);
    clients.set(pulumi, client);
    return client;
}

/** @param {import("../pulumi").Pulumi} pulumi */
async function connect(pulumi) {
    const text = fs.readFileSync(stackFile(pulumi.stack), "utf8");
    const read = async (/** @type {string} */ name) => {
        if (!new RegExp(`^\\s*["']?linode:${name}["']?\\s*:`, "m").test(text)) {
            return undefined;
        }
        try {
            const { stdout } = await pulumi.capture(
                ["config", "get", `linode:${name}`, "--stack", pulumi.stack, ...pulumi.configArguments()],
                `linode:${name} cannot be read`,
            );
            return stdout.trim();
        } catch (error) {
            // Pulumi reads nothing of a stack whose state is lost.
            if (process.env[`LINODE_${name.toUpperCase()}`]) {
                return undefined;
            }
            throw error;
        }
    };
    return new LinodeApi(accessFrom({ token: await read("token"), url: await read("url") }));
}

/**
 * What a stack has at Linode, before and after it is taken down. That the API does not answer, or not to this token,
 * costs the receipt and nothing else: the tear-down goes on.
 */
class Teardown {
    /**
     * @param {import("../pulumi").Pulumi} pulumi
     * @param {(line: string) => void} say
     */
    constructor(pulumi, say) {
        this.stack = pulumi.stack;
        this.pulumi = pulumi;
        this.say = say;
        /** @type {LinodeApi | undefined} */
        this.api = undefined;
        /** @type {import("./objects").LinodeObject[]} */
        this.before = [];
        /** @type {import("./prices").PriceLists | undefined} */
        this.lists = undefined;
        /** Whether the API has said what is left. */
        this.answered = false;
        this.domain = settingsOf(this.stack)["linode"]?.dns?.domain;
    }

    /** To be called while the stack's configuration can still be read. */
    async look() {
        try {
            const api = await linodeApi(this.pulumi);
            const [objects, types, nodeBalancerTypes] = await Promise.all([
                linodeObjects(api, this.stack, { domain: this.domain }),
                api.list("linode/types"),
                api.list("nodebalancers/types"),
            ]);
            this.api = api;
            this.before = objects;
            this.lists = /** @type {import("./prices").PriceLists} */ ({ types, nodeBalancerTypes });
        } catch (error) {
            this.say(`there will be no receipt of what the stack has cost: ${messageOf(error)}`);
        }
    }

    /** What the stack's tag is on although no state knows the stack. @param {string} remedy */
    refuse(remedy) {
        if (this.before.length > 0) {
            throw new UserError(
                `STACK=${this.stack}: this checkout's state knows no such stack, but Linode has ${summary(this.before)} of it ` +
                    `(${this.before.map(({ label }) => label).join(", ")})`,
                remedy,
            );
        }
    }

    /**
     * Looks again, and says what has gone, what is left, and what it has cost. Fails while something is left.
     * @param {{ force: boolean }} options `force`: what has the stack's tag is removed
     */
    async settle({ force }) {
        const addresses = this.before.flatMap((object) => object.addresses ?? []);
        const list = async () => {
            const dns = { domain: this.domain, addresses };
            return this.api === undefined ? undefined : linodeObjects(this.api, this.stack, dns);
        };
        let after = await list().catch((error) => void this.say(messageOf(error)));
        if (this.api === undefined || after === undefined) {
            this.say(
                `what is left of the stack at Linode could not be asked: https://cloud.linode.com/search?query=${tagOf(this.stack)} lists it`,
            );
            return;
        }
        this.answered = true;
        /** @type {string[]} */
        let failures = [];
        if (force && after.length > 0) {
            this.say(`removing ${summary(after)} from Linode, which the state did not know`);
            failures = await removeLinodeObjects(this.api, after);
            after = (await list()) ?? [];
        }
        const { before, lists } = this;
        console.log(receipt({ before, after, lists, until: new Date() }).join("\n"));
        if (after.length > 0) {
            const lines = after.map(
                ({ kind, label }) =>
                    failures.find((line) => line.startsWith(`${kind} ${label}:`)) ?? `${kind} ${label}`,
            );
            throw new UserError(
                `these are left at Linode, and most of them cost money:\n    ${lines.join("\n    ")}`,
                force
                    ? "remove them at https://cloud.linode.com"
                    : `unless they are another checkout's, "make down STACK=${this.stack} FORCE=1" removes everything with the ` +
                          `tag ${tagOf(this.stack)}; or remove them at https://cloud.linode.com`,
            );
        }
    }

    /**
     * With FORCE nothing but the API's answer tells that nothing is left.
     * @param {{ force: boolean }} options
     */
    requireAnswer({ force }) {
        if (force && !this.answered) {
            throw new UserError(
                `the state of ${this.stack} is gone, but it is unknown what is left at Linode`,
                `export LINODE_TOKEN, then run "make down STACK=${this.stack} FORCE=1" again`,
            );
        }
    }
}

/**
 * Refuses to bring up a stack that no state knows, but whose things exist: another checkout's, or left over.
 * @param {import("../pulumi").Pulumi} pulumi
 */
async function refuseLinodeStrangers(pulumi) {
    // Whatever is wrong with token and network is the program's to say, with all else that is wrong.
    const teardown = new Teardown(pulumi, () => {});
    await teardown.look();
    teardown.refuse(
        `if another checkout made them, work there or use another STACK here; otherwise "make down STACK=${pulumi.stack} FORCE=1" removes them`,
    );
}

/**
 * The lifetime of a stack as its outputs tell it. A stack whose first update failed has no outputs, but may have things
 * that cost money: the oldest of them tells its age.
 * @param {import("../pulumi").Pulumi} pulumi
 * @param {Record<string, unknown>} outputs
 * @returns {Promise<import("../lifetime").Lifetime | undefined>}
 */
async function lifetimeOf(pulumi, outputs) {
    const said = readLifetime(outputs["lifetime"]);
    const ttl = timeToLive(settingsOf(pulumi.stack)["linode"]?.ttl);
    if (said !== undefined || ttl === undefined || !isOnLinode(pulumi.stack)) {
        return said;
    }
    const objects = await linodeObjects(await linodeApi(pulumi), pulumi.stack);
    const [created] = objects.flatMap((object) => object.created ?? []).sort();
    return created === undefined
        ? undefined
        : {
              created: new Date(`${created}Z`).toISOString(),
              expires: new Date(Date.parse(`${created}Z`) + ttl).toISOString(),
          };
}

module.exports = { isOnLinode, linodeApi, Teardown, refuseLinodeStrangers, lifetimeOf };

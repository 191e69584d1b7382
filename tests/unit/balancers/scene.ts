import * as assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

import type { GracefulServer } from "../../../images/common/graceful";
import { createHello } from "../../../images/hello/server";
import { freePorts } from "../../support/agents";
import { type LoadReport, withLoad } from "../../support/load";
import { eventually, type Patience } from "../../support/poll";
import { type Answer, get } from "../apps/http";

/** Of the user `admin` on HAProxy's statistics. */
export const password = "unit";
const authorization = `Basic ${Buffer.from(`admin:${password}`).toString("base64")}`;

/** What is in front of a balancer and behind it: real instances of the application, and somebody who asks. */
export class Scene {
    private readonly instances = new Map<string, { hello: GracefulServer; port: number }>();
    /** HAProxy's own, and its helper's. */
    ports = { http: 0, stats: 0, metrics: 0 };

    static async open(...instances: string[]): Promise<Scene> {
        const scene = new Scene();
        await scene.startInstances(...instances);
        await scene.choosePorts();
        return scene;
    }

    /** To be called when nobody else is about to be given a port by the system: it could be one of these. */
    protected async choosePorts(): Promise<void> {
        this.ports = await freePorts(["http", "stats", "metrics"]);
    }

    async close(): Promise<void> {
        await Promise.all([...this.instances.values()].map(({ hello }) => hello.drain()));
    }

    async startInstances(...names: string[]): Promise<void> {
        for (const name of names) {
            const options = { name, instance: name, node: "test", nodeAddress: "127.0.0.1", port: 0 };
            const hello = createHello({ ...options, drainDelayMs: 0 });
            this.instances.set(name, { hello, port: await hello.listen(0, "127.0.0.1") });
        }
    }

    /** An instance dies: its connections break, and its port is closed. */
    killInstance(name: string): void {
        const { hello } = this.instanceOf(name);
        hello.server.closeAllConnections();
        hello.server.close();
    }

    async drainInstances(...names: string[]): Promise<void> {
        await Promise.all(names.map((name) => this.instanceOf(name).hello.drain()));
    }

    portOf(name: string): number {
        return this.instanceOf(name).port;
    }

    /** A request to HAProxy's port for applications. */
    visit(host?: string): Promise<Answer> {
        return get(`http://127.0.0.1:${this.ports.http}/`, host === undefined ? {} : { headers: { host } });
    }

    /** A request to HAProxy's statistics, by somebody who knows the password. */
    stats(path: string, { stats }: { stats: number } = this.ports): Promise<Answer> {
        return get(`http://127.0.0.1:${stats}${path}`, { headers: { authorization } });
    }

    /** Who answers, in as many requests as it takes to see each: `a b`, or `status 503`. */
    async used(host?: string): Promise<string> {
        const seen = new Set<string>();
        for (let request = 0; request < 2 * this.instances.size; request++) {
            const { status, headers } = await this.visit(host);
            seen.add(String(headers["x-instance"] ?? `status ${status}`));
        }
        return [...seen].sort().join(" ");
    }

    /** Waits until these answer, and nobody else. */
    answers(expected: string, { host, ...patience }: Patience & { host?: string } = {}): Promise<void> {
        return eventually(
            `${expected} answer${host === undefined ? "" : ` for ${host}`}`,
            async () => assert.equal(await this.used(host), expected),
            { every: 20, ...patience },
        );
    }

    /** Two hundred requests a second while `action` runs, unless another rate is given. */
    async underLoad(keepAlive: boolean, action: () => Promise<void>, rate = 200): Promise<LoadReport> {
        const url = `http://127.0.0.1:${this.ports.http}/`;
        return (await withLoad({ url, rate, keepAlive }, action)).report;
    }

    /** No request fails while `action` runs, neither on connections that are kept nor on one a request. */
    async losesNothing(action: () => Promise<void>, rate = 100): Promise<void> {
        let second: LoadReport | undefined;
        const first = await this.underLoad(
            true,
            async () => {
                second = await this.underLoad(false, action, rate);
            },
            rate,
        );
        assertNoneFailed(first);
        assertNoneFailed(second!);
    }

    private instanceOf(name: string): { hello: GracefulServer; port: number } {
        const instance = this.instances.get(name);
        assert.ok(instance, `no instance is named ${name}`);
        return instance;
    }
}

export function assertNoneFailed(report: LoadReport): void {
    assert.equal(report.failed, 0, JSON.stringify(report, undefined, 2));
    // What is under test may be over within half a second.
    assert.ok(report.requests > 30, `only ${report.requests} requests were sent`);
}

/** A port that somebody else holds, until it is released. */
export async function holdPort(): Promise<{ port: number; release(): Promise<void> }> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return {
        port,
        release: async () => {
            server.close();
            await once(server, "close");
        },
    };
}

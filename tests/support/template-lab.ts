import * as assert from "node:assert/strict";

import type { CommandResult } from "./command";
import { docker, inside } from "./docker";
import { request } from "./http";
import { eventually } from "./poll";
import { places, Stack, type Outputs, type Settings } from "./stack";

/** The `template` lab under test, seen as its user sees it: through its stack file, its commands and its URLs. */
export class TemplateLab {
    readonly stack: Stack;
    private settings: Settings = {};
    private current: Outputs | undefined;
    private started: Promise<CommandResult> | undefined;

    constructor(name: "e2e-template" | "bench-template") {
        this.stack = new Stack(name, places[name]);
    }

    /** Brings the lab up once; several test files share it. From nothing, or with REUSE=1 from what is there. */
    ensureUp(): Promise<CommandResult> {
        this.started ??= this.bringUp();
        return this.started;
    }

    private async bringUp(): Promise<CommandResult> {
        if (process.env["REUSE"] !== "1") {
            await this.stack.startAfresh();
        }
        this.stack.configure(this.settings);
        return this.up();
    }

    /** The next `ensureUp` starts again. */
    forget(): void {
        this.started = undefined;
        this.current = undefined;
        this.settings = {};
    }

    async up(): Promise<CommandResult> {
        const result = await this.stack.up();
        this.current = await this.stack.outputs({ secrets: true });
        return result;
    }

    /** One change of settings and one `up`, as a user would; a value of undefined goes back to the default. */
    change(settings: Settings): Promise<CommandResult> {
        const all = Object.entries({ ...this.settings, ...settings });
        this.settings = Object.fromEntries(all.filter(([, value]) => value !== undefined));
        this.stack.configure(this.settings);
        return this.up();
    }

    get outputs(): Outputs {
        assert.ok(this.current, "the lab has not been brought up");
        return this.current;
    }

    url(name: string): string {
        const url = this.outputs.urls[name];
        assert.ok(url, `there is no urls.${name} among the outputs`);
        return url.replace(/\/$/, "");
    }

    /** `user:password` of HAProxy's statistics. */
    get statsAuth(): string {
        const { environment } = this.outputs;
        assert.ok(typeof environment === "object", "the environment is not shown");
        return `${environment["HAPROXY_STATS_USER"]}:${environment["HAPROXY_STATS_PASSWORD"]}`;
    }

    /** A Docker command on one of the lab's containers. */
    docker(command: string, ...containers: string[]): Promise<string> {
        return docker(command, ...containers.map((each) => this.stack.object(each)));
    }

    /** The servers that HAProxy's configuration names, as the document looks at them. */
    async rendered(): Promise<string[]> {
        const text = await inside(this.stack.object("haproxy"), "cat", "/run/haproxy/haproxy.cfg");
        return [...text.matchAll(/^ +server (\S+) \S+$/gm)].map(([, name = ""]) => name);
    }

    /** Who answers a number of requests; `status 503` when nobody does. */
    async used(requests = 12): Promise<string> {
        const seen = new Set<string>();
        for (let n = 0; n < requests; n += 1) {
            const { status, headers } = await request(this.url("webapp"));
            seen.add(String(headers["x-instance"] ?? `status ${status}`));
        }
        return [...seen].sort().join(" ");
    }

    /** Waits until exactly these answer: `web1 web2`, or `status 503`. */
    answers(expected: string, within = 30): Promise<void> {
        return eventually(`${expected} answer`, async () => assert.equal(await this.used(), expected), {
            within,
            every: 50,
        });
    }
}

/** The lab that the lab tests and the browser tests share. */
export const lab = new TemplateLab("e2e-template");

import * as assert from "node:assert/strict";

import type { CommandResult } from "./command";
import { docker } from "./docker";
import { places, Stack, type Outputs, type Settings } from "./stack";

/** A lab under test, seen as its user sees it: through its stack file, its commands and its URLs. */
export class Lab {
    readonly stack: Stack;
    private settings: Settings = {};
    private current: Outputs | undefined;
    private started: Promise<CommandResult> | undefined;

    constructor(name: keyof typeof places) {
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

    /** One `up` that has to succeed. */
    async up(): Promise<CommandResult> {
        const result = await this.stack.up();
        this.current = await this.stack.outputs({ secrets: true });
        return result;
    }

    /** Changes settings in the stack file, leaving the others as they are; a value of undefined goes back to the default. */
    set(settings: Settings): void {
        const all = Object.entries({ ...this.settings, ...settings });
        this.settings = Object.fromEntries(all.filter(([, value]) => value !== undefined));
        this.stack.configure(this.settings);
    }

    /** One change of settings and one `up`, as a user would. */
    change(settings: Settings): Promise<CommandResult> {
        this.set(settings);
        return this.up();
    }

    /** The outputs of the last `up`, with secrets. */
    get outputs(): Outputs {
        assert.ok(this.current, "the lab has not been brought up");
        return this.current;
    }

    url(name: string): string {
        const url = this.outputs.urls[name];
        assert.ok(url, `there is no urls.${name} among the outputs`);
        return url.replace(/\/$/, "");
    }

    environment(name: string): string {
        const { environment } = this.outputs;
        const value = typeof environment === "string" ? undefined : environment[name];
        assert.ok(value, `there is no environment.${name} among the outputs`);
        return value;
    }

    /** `user:password` of HAProxy's statistics. */
    get statsAuth(): string {
        return `${this.environment("HAPROXY_STATS_USER")}:${this.environment("HAPROXY_STATS_PASSWORD")}`;
    }

    /** A Docker command on some of the lab's containers. */
    docker(command: string, ...containers: string[]): Promise<string> {
        return docker(command, ...containers.map((each) => this.stack.object(each)));
    }
}

import type { Event } from "@linode/api-v4";
import type { FastifyInstance } from "fastify";
import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";

import { Clock } from "./clock";
import { NullDriver, type Driver } from "./driver";
import { Events } from "./events";
import { Faults } from "./faults";
import { inventory, type Owned } from "./inventory";
import { Platform, type Limits } from "./platform";
import { RequestLog } from "./request-log";
import { createServer } from "./server";

export interface EmulatorOptions {
    /** Of 127.0.0.1. Default 0, any free one; the same one is taken again after a crash. */
    port?: number;
    /** Default: a random one. */
    token?: string;
    /** What the token may do, as the API's scopes, separated by spaces. Default `*`, everything. */
    scopes?: string;
    /** By which real-life delays are multiplied. Default 1. */
    speed?: number;
    /** What makes machines. Default: nothing. */
    driver?: Driver;
    limits?: Limits;
    /** Plans that are sold out, as `region/type`. */
    soldOut?: string[];
    /** What public addresses are taken from. Default 198.18.0.0/15, which is for benchmarks and routed nowhere. */
    publicRange?: string;
    /** What private addresses are taken from, within 192.168.128.0/17. Default: all of it. */
    privateRange?: string;
}

const defaultPublicRange = "198.18.0.0/15";

/** The documented rate at which instances can be made. */
const defaultCreatesPerWindow = 10;

/**
 * A platform that speaks the Linode API v4 on 127.0.0.1, as far as the provider uses it. What is behind it is in memory;
 * machines are the driver's business. Faults, the log of requests and the inventory are for whoever holds the object: no
 * request can reach them.
 */
export class LinodeEmulator {
    readonly token: string;
    readonly faults = new Faults();
    readonly log = new RequestLog();
    /** What the account may have; can be changed at any time. */
    readonly limits: Limits;
    /** Plans that are sold out, as `region/type`; can be changed at any time. */
    readonly soldOut: Set<string>;
    private readonly clock: Clock;
    private readonly platform: Platform;
    private readonly driver: Driver;
    private app?: FastifyInstance;
    private readonly scopes: string;
    private port: number;

    constructor(options: EmulatorOptions = {}) {
        this.token = options.token ?? randomBytes(32).toString("hex");
        this.scopes = options.scopes ?? "*";
        this.port = options.port ?? 0;
        this.driver = options.driver ?? new NullDriver();
        this.soldOut = new Set(options.soldOut);
        this.clock = new Clock(options.speed ?? 1);
        this.soldOut = new Set(options.soldOut);
        this.limits = { createsPerWindow: defaultCreatesPerWindow, ...options.limits };
        this.platform = new Platform(
            this.clock,
            new Events(this.clock, this.faults),
            this.faults,
            this.driver,
            this.limits,
            this.soldOut,
            { public: options.publicRange ?? defaultPublicRange, private: options.privateRange },
        );
    }

    /** Listens, for the first time or again after a crash; what was under way goes on. */
    async start(): Promise<void> {
        if (this.app) {
            throw new Error("the emulator is running already");
        }
        const app = createServer({
            platform: this.platform,
            token: this.token,
            scopes: this.scopes,
            log: this.log,
            crash: () => this.crash(),
        });
        await app.listen({ host: "127.0.0.1", port: this.port });
        this.port = (app.server.address() as AddressInfo).port;
        this.app = app;
        this.clock.go();
    }

    /** What `linode:url` is set to: without the version. */
    get url(): string {
        return `http://127.0.0.1:${this.port}`;
    }

    get running(): boolean {
        return this.app !== undefined;
    }

    /** Lets nothing that is under way go on, while requests are answered. {@link thaw} ends that. */
    freeze(): void {
        this.clock.stop();
    }

    thaw(): void {
        this.clock.go();
    }

    /** Ends every connection and stops the clock; what there is is kept for {@link start}. */
    crash(): void {
        const app = this.app;
        if (!app) {
            return;
        }
        this.app = undefined;
        this.clock.stop();
        app.server.close();
        app.server.closeAllConnections();
    }

    /** Ends the server for good and removes what the driver has made. */
    async stop(): Promise<void> {
        const app = this.app;
        this.app = undefined;
        this.clock.stop();
        await app?.close();
        await this.driver.close();
    }

    /** What the account has: all of it, or what has a tag. VPCs and placement groups never have tags. */
    inventory(tag?: string): Owned[] {
        return inventory(this.platform).filter(({ tags }) => tag === undefined || tags.includes(tag));
    }

    /** All events, the oldest first. */
    events(): Event[] {
        return this.platform.events.all();
    }

    /** How many jobs are under way. */
    get pendingJobs(): number {
        return this.clock.pending;
    }
}

import * as assert from "node:assert/strict";

import { inside } from "./docker";
import { getJson, request, type Answer, type RequestOptions } from "./http";
import { Lab } from "./lab";
import { eventually, type Patience } from "./poll";

/** Consul's view of one instance. */
export interface Instance {
    id: string;
    address: string;
    port: number;
}

/** Nomad's view of one allocation. */
export interface Allocation {
    ID: string;
    JobID: string;
    JobVersion: number;
    ClientStatus: string;
    DesiredStatus: string;
    TaskGroup: string;
}

/** The machine that does everything in a lab of one. */
export const machine = "server-1";

/** The `nomad` lab under test. */
export class NomadLab extends Lab {
    /** The container of the lab's machine. */
    get machine(): string {
        return this.stack.object(machine);
    }

    inside(...command: string[]): Promise<string> {
        return inside(this.machine, ...command);
    }

    consul<T>(path: string, options: RequestOptions = {}): Promise<T> {
        return getJson<T>(this.api("consul") + path, options);
    }

    /** For calls whose answer is not JSON. */
    consulAnswer(path: string, options: RequestOptions = {}): Promise<Answer> {
        return request(this.api("consul") + path, options);
    }

    nomad<T>(path: string, options: RequestOptions = {}): Promise<T> {
        return getJson<T>(this.api("nomad") + path, options);
    }

    private api(name: "consul" | "nomad"): string {
        return this.url(name).replace(/\/ui$/, "");
    }

    /** The instances of a service that Consul considers healthy. */
    async healthy(service: string): Promise<Instance[]> {
        const entries = await this.consul<
            { Node: { Address: string }; Service: { ID: string; Address: string; Port: number } }[]
        >(`/v1/health/service/${service}?passing`);
        return entries.map(({ Node, Service }) => ({
            id: Service.ID,
            address: Service.Address || Node.Address,
            port: Service.Port,
        }));
    }

    /** The job's allocations that run. */
    async running(job: string): Promise<Allocation[]> {
        const allocations = await this.nomad<Allocation[]>(`/v1/job/${job}/allocations`);
        return allocations.filter((allocation) => allocation.ClientStatus === "running");
    }

    /** One answer of the web application through HAProxy. */
    async greeting(): Promise<{ message: string; instance: string }> {
        const answer = await request(this.url("webapp"), { headers: { accept: "application/json" } });
        assert.equal(
            answer.status,
            200,
            `the web application answered ${answer.status}: ${answer.body.slice(0, 200)}`,
        );
        return JSON.parse(answer.body) as { message: string; instance: string };
    }

    /** Which instances answer a number of requests, and how often each. */
    async shares(requests: number): Promise<Map<string, number>> {
        const shares = new Map<string, number>();
        for (let n = 0; n < requests; n += 1) {
            const { instance } = await this.greeting();
            shares.set(instance, (shares.get(instance) ?? 0) + 1);
        }
        return shares;
    }

    /** Waits until Consul has exactly `count` healthy instances and HAProxy sends requests to each of them. */
    balances(count: number, patience: Patience = { within: 30 }): Promise<void> {
        return eventually(
            `HAProxy balances over ${count} instances`,
            async () => {
                const known = await this.healthy("demo-webapp");
                assert.equal(known.length, count, `Consul has ${known.length} healthy instances`);
                const shares = await this.shares(count * 3);
                assert.equal(shares.size, count, `requests went to ${[...shares.keys()].join(", ")}`);
            },
            patience,
        );
    }

    /** The dashboard's own view of its upstream. */
    async counter(): Promise<{ reachable: boolean; count: number | null; error: string | null }> {
        const answer = await request(`${this.url("dashboard")}/state`);
        return JSON.parse(answer.body) as { reachable: boolean; count: number | null; error: string | null };
    }

    /** Every URL works as a user would see it. */
    async works(count: number, patience: Patience = { within: 60 }): Promise<void> {
        await this.balances(count, patience);
        await eventually(
            "the dashboard reaches the API through the mesh",
            async () => {
                const state = await this.counter();
                assert.equal(state.reachable, true, `the dashboard says: ${state.error}`);
            },
            patience,
        );
        // Instances that still run answer before an agent that has just started leads.
        await eventually(
            "the statistics and the agents answer",
            async () => {
                const stats = await request(`${this.url("haproxyStats")}/`, { auth: this.statsAuth });
                assert.equal(stats.status, 200);
                assert.match(await this.consul<string>("/v1/status/leader"), /:8300$/);
                assert.match(await this.nomad<string>("/v1/status/leader"), /:4647$/);
            },
            patience,
        );
    }
}

/** The lab that the lab tests and the browser tests share. */
export const lab = new NomadLab("e2e");

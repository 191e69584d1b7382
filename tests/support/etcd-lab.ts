import * as assert from "node:assert/strict";

import { etcdClientFiles } from "../../components/clusters/etcd/client";
import { output } from "./command";
import { inside } from "./docker";
import { request } from "./http";
import { Lab } from "./lab";
import { type LoadReport, withLoad } from "./load";
import { eventually } from "./poll";

/** The machines of the lab with its default settings. */
export const members = ["etcd-1", "etcd-2", "etcd-3"];
export const webservers = ["web-1", "web-2"];
export const machines = [...members, ...webservers, "balancer-1"];

/** What `etcdctl endpoint status` says of a member. */
export interface MemberStatus {
    name: string;
    id: string;
    leader: boolean;
    learner: boolean;
}

/** The `etcd` lab under test. */
export class EtcdLab extends Lab {
    constructor(name: "e2e-etcd" | "bench-etcd" = "e2e-etcd") {
        super(name);
    }

    /** Runs a command on a machine. */
    on(machine: string, ...command: string[]): Promise<string> {
        return inside(this.stack.object(machine), ...command);
    }

    address(machine: string): string {
        const found = this.outputs.machines.find(({ name }) => name === machine);
        assert.ok(found, `there is no machine ${machine}`);
        return found.privateAddress;
    }

    /** etcd's command line on a machine, over TLS with the machine's certificate; by default the balancer, as root, asking all members. */
    etcdctl(
        command: string[],
        { on = "balancer-1", user = "root", password = "", of = members, input = "" } = {},
    ): Promise<string> {
        const environment = {
            ETCDCTL_ENDPOINTS: of.map((name) => `https://${this.address(name)}:2379`).join(","),
            ETCDCTL_CACERT: etcdClientFiles.caFile,
            ETCDCTL_CERT: etcdClientFiles.certificateFile,
            ETCDCTL_KEY: etcdClientFiles.keyFile,
            ETCDCTL_USER: user,
            ETCDCTL_PASSWORD: password || this.environment("ETCDCTL_PASSWORD"),
        };
        const names = Object.keys(environment).flatMap((name) => ["--env", name]);
        const container = this.stack.object(on);
        // Nobody is logged in while a leader is elected, which takes as long as etcdctl waits by default. The last of such
        // flags counts, so that a command may have its own.
        const patient = ["--dial-timeout=5s", "--command-timeout=15s"];
        return output(
            "docker",
            ["exec", "--interactive", ...names, container, "etcdctl", ...patient, ...command],
            { input, env: { ...process.env, ...environment } },
        );
    }

    /** Keys below a prefix with their values. */
    async keys(prefix: string): Promise<Record<string, string>> {
        const lines = (await this.etcdctl(["get", "--prefix", prefix])).split("\n");
        const pairs: [string, string][] = [];
        for (let line = 0; line + 1 < lines.length; line += 2) {
            pairs.push([lines[line]!, lines[line + 1]!]);
        }
        return Object.fromEntries(pairs);
    }

    /** The members that answer, by what they say of themselves. */
    async members(of = members): Promise<MemberStatus[]> {
        interface Endpoint {
            Endpoint: string;
            Status: { header: { member_id: number }; leader: number; isLearner?: boolean };
        }
        const text = await this.etcdctl(["endpoint", "status", "--write-out=json"], { of });
        return (JSON.parse(text) as Endpoint[]).map(({ Endpoint: endpoint, Status }) => ({
            name: of.find((name) => endpoint.includes(`//${this.address(name)}:`)) ?? endpoint,
            id: String(Status.header.member_id),
            leader: Status.header.member_id === Status.leader,
            learner: Status.isLearner ?? false,
        }));
    }

    /** Who leads; an election may be under way. */
    leader(): Promise<string> {
        return eventually("a member leads", async () => {
            const found = (await this.members()).find(({ leader }) => leader);
            assert.ok(found, "none does");
            return found.name;
        });
    }

    /** Waits until these units have announced themselves, beside whatever else is there. */
    registered(...units: number[]): Promise<void> {
        return eventually(
            `units ${units.join(", ")} are registered`,
            async () => {
                const found = Object.keys(await this.keys("/apps/webapp/"));
                const missing = units.filter((n) => !found.includes(`/apps/webapp/webapp@${n}.service`));
                assert.deepEqual(missing, [], "missing");
            },
            { within: 60 },
        );
    }

    /** Who answers a number of requests; `status 503` when nobody does. */
    async used(requests = 12): Promise<string> {
        const seen = new Set<string>();
        for (let n = 0; n < requests; n += 1) {
            const { status, headers } = await request(`${this.url("webapp")}/`);
            seen.add(String(headers["x-instance"] ?? `status ${status}`));
        }
        return [...seen].sort().join(" ");
    }

    /** Waits until exactly these answer: `webapp-1 webapp-2`, or `status 503`. */
    answers(expected: string, within = 30): Promise<void> {
        return eventually(`${expected} answer`, async () => assert.equal(await this.used(), expected), {
            within,
            every: 50,
        });
    }

    /** Does something while the balancer is asked. */
    async underLoad(action: () => Promise<unknown>, rate = 100): Promise<LoadReport> {
        return (await withLoad({ url: `${this.url("webapp")}/`, rate }, action)).report;
    }

    /** The same; no request may fail. */
    async losesNothing(action: () => Promise<unknown>): Promise<LoadReport> {
        const report = await this.underLoad(action);
        assert.equal(report.failed, 0, JSON.stringify(report, undefined, 2));
        return report;
    }
}

/** The lab that the lab tests and the browser tests share. */
export const lab = new EtcdLab();

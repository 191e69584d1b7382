import { eventually } from "../tests/support/poll";
import {
    type Expected,
    type JobSpecification,
    missing,
    type NomadJob,
    type NomadNode,
    wanted,
} from "./health";
import type { AutopilotHealth } from "./health";
import type { Api, Ledger } from "./ledger";
import type { Machines } from "./machines";
import { Witness } from "./witness";

/** What a drill needs of the stack's outputs, secrets included. */
export interface LabOutputs {
    urls: Record<string, string>;
    machines: { name: string; roles: string[]; privateAddress: string }[];
    environment: Record<string, string>;
}

/** The service that is asked for all the while. It has instances on every client that is drilled. */
export const service = "helloworld";

/** Where everything that drills write in Consul and Nomad is. */
const keys = "gatehouse-drill";

export interface Allocation {
    TaskGroup: string;
    ID: string;
    NodeName: string;
    ClientStatus: string;
    DesiredStatus: string;
}

/** A running `routed` lab with a witness on every machine. */
export class DrilledLab {
    readonly servers: string[];
    readonly clients: string[];
    /** The client that publishes the balancer that is asked from outside. */
    readonly entry: string;
    /** `http://127.0.0.1:<port>`. */
    readonly url: string;
    expected: Expected;

    /** Machines that a drill has hit: they are asked last, since they may not answer, or not know. */
    hit: readonly string[] = [];

    private readonly witnesses: Witness[];

    constructor(
        readonly machines: Machines,
        private readonly outputs: LabOutputs,
    ) {
        const withRole = (role: string) =>
            outputs.machines.filter(({ roles }) => roles.includes(role)).map(({ name }) => name);
        this.servers = withRole("consul-server");
        this.clients = withRole("nomad-client");
        this.entry = this.clients[0] ?? "";
        this.url = (outputs.urls["http"] ?? "").replace(/\/$/, "");
        this.expected = { servers: this.servers, clients: this.clients, routed: {}, jobs: {} };
        const { CONSUL_HTTP_TOKEN: consul = "", NOMAD_TOKEN: nomad = "" } = outputs.environment;
        this.witnesses = outputs.machines.map(
            ({ name }) =>
                new Witness(machines, name, {
                    host: `${service}.service`,
                    consul: { token: consul },
                    nomad: { token: nomad, ca: "/etc/nomad.d/tls/ca.pem" },
                    every: { consul: 0.2, nomad: 0.4, http: 0.1 },
                    seconds: 7200,
                }),
        );
    }

    get names(): string[] {
        return [...this.servers, ...this.clients];
    }

    /** The machines' private addresses, by which they know each other. */
    address(name: string): string {
        return this.outputs.machines.find((each) => each.name === name)?.privateAddress ?? "";
    }

    /** Puts the witnesses in their places. */
    open(): void {
        this.witnesses.forEach((witness) => witness.start());
    }

    /** Resolves when a witness answers. */
    async ready(): Promise<void> {
        await eventually("a machine answers", () => this.leader("consul"), { within: 20, every: 200 });
    }

    close(): void {
        this.witnesses.forEach((witness) => witness.close());
    }

    begin(run: string, ledger: Ledger): void {
        this.witnesses.forEach((witness) => witness.begin(`${keys}/${run}`, ledger));
    }

    end(): void {
        this.witnesses.forEach((witness) => witness.end());
    }

    /** Asks the agents on any machine that answers. An answer of 4xx or 5xx is an error, unless `despite` names it. */
    async api<T>(api: Api, path: string, options: { method?: string; body?: object; despite?: number } = {}) {
        const { method, body, despite } = options;
        return this.anywhere(async (witness) => {
            const answer = await witness.ask(api, path, method, body);
            if (answer.status >= 400 && answer.status !== despite) {
                throw new Error(`${api} on ${witness.machine} answers ${answer.status} to ${path}`);
            }
            return JSON.parse(answer.body || "null") as T;
        });
    }

    /** The machine that leads. @throws when nobody does */
    async leader(api: Api): Promise<string> {
        const address = (await this.api<string>(api, "/v1/status/leader")).replace(/:\d+$/, "");
        const found = this.names.find((name) => this.address(name) === address);
        if (found === undefined) {
            throw new Error(`${api} has no leader`);
        }
        return found;
    }

    /** What the jobs want now is what counts as full health from now on. */
    async expect(): Promise<void> {
        const list = await this.api<NomadJob[]>("nomad", "/v1/jobs");
        const jobs: Record<string, JobSpecification> = {};
        for (const { ID, Type, Stop } of list) {
            if (Type === "service" && !Stop) {
                jobs[ID] = await this.api<JobSpecification>("nomad", `/v1/job/${encodeURIComponent(ID)}`);
            }
        }
        this.expected = { servers: this.servers, clients: this.clients, ...wanted(jobs) };
    }

    /** What is missing to full health; what cannot be asked is missing, too. */
    async missing(): Promise<string[]> {
        try {
            const routed = Object.keys(this.expected.routed);
            const [consul, nomad, critical, nodes, jobs, ...passing] = await Promise.all([
                // Unhealthy is 429, with the details.
                this.api<AutopilotHealth>("consul", "/v1/operator/autopilot/health", { despite: 429 }),
                this.api<AutopilotHealth>("nomad", "/v1/operator/autopilot/health", { despite: 429 }),
                this.api<{ Node: string; CheckID: string }[]>("consul", "/v1/health/state/critical"),
                this.nodes(),
                this.api<NomadJob[]>("nomad", "/v1/jobs"),
                ...routed.map((name) =>
                    this.api<object[]>("consul", `/v1/health/service/${name}?passing=1&tag=routed`),
                ),
            ]);
            return missing(this.expected, {
                consul,
                nomad,
                dead: critical.filter(({ CheckID }) => CheckID === "serfHealth").map(({ Node }) => Node),
                nodes,
                jobs,
                passing: Object.fromEntries(routed.map((name, at) => [name, passing[at]?.length ?? 0])),
            });
        } catch (error) {
            return [(error as Error).message];
        }
    }

    nodes(): Promise<NomadNode[]> {
        return this.api<NomadNode[]>("nomad", "/v1/nodes");
    }

    async node(name: string): Promise<NomadNode> {
        const node = (await this.nodes()).find((each) => each.Name === name && each.Status === "ready");
        if (node === undefined) {
            throw new Error(`Nomad's client ${name} is not ready`);
        }
        return node;
    }

    /** The allocations of the service that is asked for that run, or are about to. */
    async allocations(): Promise<Allocation[]> {
        const all = await this.api<Allocation[]>("nomad", `/v1/job/${service}/allocations`);
        const live = ["running", "pending"];
        return all.filter(
            (each) =>
                // Its job has another group, which nobody asks for.
                each.TaskGroup === service &&
                live.includes(each.ClientStatus) &&
                each.DesiredStatus === "run",
        );
    }

    /** What Consul and Nomad have of everything that a drill has written. */
    async written(run: string): Promise<Record<Api, Record<string, string>>> {
        // A leader's answer that the others agree with, not what a follower happens to know.
        const pairs = await this.api<{ Key: string; Value: string | null }[] | null>(
            "consul",
            `/v1/kv/${keys}/${run}/?recurse=1&consistent=1`,
            { despite: 404 },
        );
        const nomad = await this.anywhere((witness) => witness.readVariables(`${keys}/${run}/`));
        const consul = (pairs ?? []).map(({ Key, Value }) => [
            Key,
            Buffer.from(Value ?? "", "base64").toString(),
        ]);
        return { consul: Object.fromEntries(consul) as Record<string, string>, nomad };
    }

    /** Removes what this drill or an earlier one has written. */
    async forgetWritten(): Promise<void> {
        await this.api("consul", `/v1/kv/${keys}/?recurse=1`, { method: "DELETE" });
        await this.anywhere((witness) => witness.forgetVariables(`${keys}/`));
    }

    private async anywhere<T>(ask: (witness: Witness) => Promise<T>): Promise<T> {
        let problem = new Error("the lab has no machine");
        const isHit = ({ machine }: Witness) => this.hit.includes(machine);
        const inTurn = [...this.witnesses.filter((each) => !isHit(each)), ...this.witnesses.filter(isHit)];
        for (const witness of inTurn) {
            try {
                return await ask(witness);
            } catch (error) {
                problem = error as Error;
            }
        }
        throw problem;
    }
}

import * as assert from "node:assert/strict";

import { start, type RunningCommand } from "./command";
import type { Lab } from "./lab";
import { pause } from "./poll";
import type { Api, RoutedLab } from "./routed-lab";

/** Writes that were acknowledged: all of them have to be there afterwards. */
export interface Written {
    consul: number[];
    nomad: number[];
    /** How many of them went another way than through the operators' endpoint. */
    otherWay: number;
}

/** What the servers said of themselves, each time that they answered. */
export interface Sight {
    api: Api;
    atMs: number;
    /** Those that vote and are alive, as far as their peers know. */
    voters: string[];
    leader?: string;
    /** Consul only: who has the turn. */
    turn?: string;
}

const folder = "proof";

/**
 * Writes to Consul's KV store and Nomad's variables and looks at both sets of peers, again and again, while machines
 * come and go: through the operators' endpoint on the first server, and while that is away on the machine `other`.
 */
export class Watch {
    readonly written: Written = { consul: [], nomad: [], otherWay: 0 };
    readonly sights: Sight[] = [];
    private readonly begin = Date.now();
    private stopping = false;
    private readonly done: Promise<unknown>;

    constructor(
        private readonly lab: RoutedLab,
        private readonly other: string,
    ) {
        this.done = Promise.all([this.loop(() => this.write()), this.loop(() => this.look())]);
    }

    async stop(): Promise<void> {
        this.stopping = true;
        await this.done;
    }

    /** Whether a server led Consul when it took its turn: in the last two sights before it had it. */
    ledBeforeItsTurn(server: string): boolean {
        const sights = this.sights.filter(({ api }) => api === "consul");
        const first = sights.findIndex(({ turn }) => turn === server);
        const before = sights.slice(Math.max(0, first - 2), Math.max(0, first));
        return before.length === 2 && before.every(({ leader }) => leader === server);
    }

    /** Every acknowledged write is there, with its value. */
    async nothingIsLost(): Promise<void> {
        const { consul, nomad } = this.written;
        const keys = await this.lab.api<{ Key: string; Value: string }[]>(
            "consul",
            `/v1/kv/${folder}/?recurse&consistent`,
        );
        const values = new Map(keys.map(({ Key, Value }) => [Key, Buffer.from(Value, "base64").toString()]));
        const lost = consul.filter((n) => values.get(`${folder}/${n}`) !== JSON.stringify({ n: String(n) }));
        assert.deepEqual(lost, [], `Consul has lost ${lost.length} of ${consul.length} writes`);
        for (const n of nomad) {
            const path = `/v1/var/${folder}/${n}`;
            const { Items } = await this.lab.api<{ Items: { n: string } }>("nomad", path);
            assert.deepEqual(Items, { n: String(n) }, path);
        }
    }

    private async loop(step: () => Promise<void>): Promise<void> {
        while (!this.stopping) {
            await step();
            await pause(250);
        }
    }

    private async write(): Promise<void> {
        const n = this.written.consul.length + this.written.nomad.length + 1;
        const body = { n: String(n) };
        if (await this.acknowledged("consul", `/v1/kv/${folder}/${n}`, body)) {
            this.written.consul.push(n);
        }
        const variable = { Path: `${folder}/${n}`, Items: body };
        if (await this.acknowledged("nomad", `/v1/var/${folder}/${n}`, variable)) {
            this.written.nomad.push(n);
        }
    }

    private async acknowledged(api: Api, path: string, body: object): Promise<boolean> {
        for (const via of [undefined, this.other]) {
            try {
                await this.lab.api(api, path, { method: "PUT", body, via });
                this.written.otherWay += via === undefined ? 0 : 1;
                return true;
            } catch {
                // Not acknowledged: it need not be there.
            }
        }
        return false;
    }

    private async look(): Promise<void> {
        for (const api of ["consul", "nomad"] as const) {
            for (const via of [undefined, this.other]) {
                try {
                    // Who is alive first: between two slow answers one server may get its vote and the next one go.
                    // The voters of before without the one that has gone since would be fewer than there ever were.
                    const alive = await this.alive(api, via);
                    const { voters, leader } = await this.lab.raft(api, via);
                    const turn = api === "consul" ? await this.turn(via) : undefined;
                    const atMs = Date.now() - this.begin;
                    this.sights.push({
                        api,
                        atMs,
                        voters: voters.filter((name) => alive.has(name)),
                        leader,
                        turn,
                    });
                    break;
                } catch {
                    // An election, or the machine is the one that is replaced.
                }
            }
        }
    }

    private async turn(via: string | undefined): Promise<string | undefined> {
        const { status, body } = await this.lab.answer("consul", "/v1/kv/gatehouse/turn?raw", { via });
        return status === 200 ? (JSON.parse(body) as { node: string }).node : undefined;
    }

    private async alive(api: Api, via: string | undefined): Promise<Set<string>> {
        if (api === "consul") {
            const members = Object.entries(await this.lab.members(via));
            return new Set(members.filter(([, status]) => status === "alive").map(([name]) => name));
        }
        const { Members } = await this.lab.api<{ Members: { Name: string; Status: string }[] }>(
            "nomad",
            "/v1/agent/members",
            { via },
        );
        return new Set(
            Members.filter(({ Status }) => Status === "alive").map(({ Name }) => Name.split(".")[0] ?? ""),
        );
    }
}

/** Says which machines were removed and started, in their order: `destroy server-2`, `start server-2` … */
export class MachineLog {
    private readonly events: RunningCommand;

    constructor(
        private readonly lab: Lab,
        private readonly names: string[],
    ) {
        const filters = ["type=container", `label=dev.gatehouse.stack=${lab.stack.name}`];
        this.events = start(
            "docker",
            [
                "events",
                ...[...filters, "event=start", "event=destroy"].flatMap((each) => ["--filter", each]),
                ...["--format", "{{.Action}} {{.Actor.Attributes.name}}"],
            ],
            { timeout: 1800 },
        );
    }

    lines(): string[] {
        const named = new Map(this.names.map((name) => [this.lab.stack.object(name), name]));
        return this.events
            .output()
            .split("\n")
            .map((line) => line.split(" ") as [string, string?])
            .flatMap(([action, container]) => {
                const name = named.get(container ?? "");
                return name === undefined ? [] : [`${action} ${name}`];
            });
    }

    async stop(): Promise<string[]> {
        this.events.signal("SIGTERM");
        await this.events.done;
        return this.lines();
    }
}

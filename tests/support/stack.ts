import * as assert from "node:assert/strict";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import * as path from "node:path";

import { stringify } from "yaml";

import type { Propagation } from "../../components/balancers/propagation";
import type { LabName } from "../../settings/common";
import * as defaults from "../../toolchain/labs.json";
import { cacheDirectory } from "../../toolchain/paths";
import { ending, root, start, tail, type CommandResult, type RunningCommand } from "./command";
import { inventory, removeLeftovers, type Inventory } from "./docker";

/** The stack outputs, as `make outputs` prints them. */
export interface Outputs {
    urls: Record<string, string>;
    jobs: Record<string, { status: string; url?: string }>;
    machines: {
        name: string;
        roles: string[];
        privateAddress: string;
        publicAddress: string;
        bootSeconds: number;
    }[];
    environment: Record<string, string> | string;
    topology: string;
    /** Of labs that say it. */
    propagation?: Propagation;
}

/** The settings of a stack file below `gatehouse:`. */
export type Settings = Record<string, unknown>;

/** Where a stack lives, so that it can run beside a user's own and those of other tests. */
export interface Place {
    lab: LabName;
    subnet: string;
    /** Added to the lab's default ports. */
    portOffset: number;
}

export const places = {
    e2e: { lab: "nomad", subnet: "10.214.0.0/24", portOffset: 10_000 },
    bench: { lab: "nomad", subnet: "10.215.0.0/24", portOffset: 15_000 },
    "e2e-sticky": { lab: "sticky", subnet: "10.222.0.0/24", portOffset: 10_000 },
    "e2e-template": { lab: "template", subnet: "10.219.0.0/24", portOffset: 10_000 },
    "e2e-routed": { lab: "routed", subnet: "10.223.0.0/24", portOffset: 10_000 },
    "bench-sticky": { lab: "sticky", subnet: "10.220.0.0/24", portOffset: 15_000 },
    // SSH ports end at 65,535 and 15,000 more would meet other labs'.
    "bench-routed": { lab: "routed", subnet: "10.224.0.0/24", portOffset: 9000 },
    "e2e-etcd": { lab: "etcd", subnet: "10.226.0.0/24", portOffset: 10_000 },
    "bench-etcd": { lab: "etcd", subnet: "10.227.0.0/24", portOffset: 15_000 },
    "bench-template": { lab: "template", subnet: "10.221.0.0/24", portOffset: 15_000 },
} satisfies Record<string, Place>;

/** Seconds that a front-door command may take; one that replaces all machines of a lab is the longest. */
const longest = 1500;

/** What the front door keeps in the checkout. */
const kept = path.join(root, ".gatehouse");

/** A stack that a test owns from its first resource to its last, driven through the front door as a user drives his. */
export class Stack {
    /** By the names of `gatehouse:ports`. */
    readonly ports: Record<string, number>;
    /** The stack file, ignored by git. */
    readonly file: string;
    private commands = 0;

    constructor(
        readonly name: string,
        readonly place: Place,
    ) {
        const ports: [string, number][] = Object.entries(defaults[place.lab].ports);
        this.ports = Object.fromEntries(ports.map(([key, port]) => [key, port + place.portOffset]));
        this.file = path.join(root, `Pulumi.${name}.yaml`);
    }

    /** The Docker name of one of the stack's objects. */
    object(name: string): string {
        return `gatehouse-${this.name}-${name}`;
    }

    /** Writes the stack file: the stack's own place and what a test wants different from the defaults. */
    configure(settings: Settings = {}): void {
        const own: Settings = {
            lab: this.place.lab,
            network: { subnet: this.place.subnet },
            ports: this.ports,
        };
        const config = Object.entries({ ...own, ...settings }).map(([key, value]) => [
            `gatehouse:${key}`,
            value,
        ]);
        writeFileSync(this.file, stringify({ config: Object.fromEntries(config) }));
    }

    /** Starts a front-door command without waiting for it. */
    start(command: string, variables: string[] = [], env: NodeJS.ProcessEnv = {}): RunningCommand {
        this.commands += 1;
        const log = `${String(this.commands).padStart(2, "0")}-${command}.log`;
        return start("make", ["--no-print-directory", command, `STACK=${this.name}`, ...variables], {
            env: { ...usersEnvironment(), ...env },
            timeout: longest,
            // Logs are kept, by CI too: what shows secrets is not.
            log: variables.includes("SECRETS=1") ? undefined : path.join(kept, "logs", this.name, log),
        });
    }

    /** Runs a front-door command to its end, whatever that is. */
    run(command: string, variables: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
        return this.start(command, variables, env).done;
    }

    /** Runs a front-door command that has to succeed. */
    async must(command: string, variables: string[] = []): Promise<CommandResult> {
        const result = await this.run(command, variables);
        assert.equal(
            result.code,
            0,
            `make ${command} ended with ${ending(result)}:\n${tail(result.output, 60)}`,
        );
        return result;
    }

    /** Runs a front-door command that has to fail, and returns what it said. */
    async refused(command: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
        const result = await this.run(command, [], env);
        assert.notEqual(result.code, 0, `make ${command} succeeded:\n${tail(result.output)}`);
        return result.output;
    }

    up(): Promise<CommandResult> {
        return this.must("up");
    }

    /** An `up` that first looks what has become of everything. */
    repair(): Promise<CommandResult> {
        return this.must("up", ["REFRESH=1"]);
    }

    /** A preview that has to find nothing to do. */
    async previewsNothing(): Promise<void> {
        const { output } = await this.must("preview");
        requireNothingPlanned(output);
    }

    async outputs(options: { secrets?: boolean } = {}): Promise<Outputs> {
        const { stdout } = await this.must("outputs", options.secrets ? ["SECRETS=1"] : []);
        return JSON.parse(stdout) as Outputs;
    }

    inventory(): Promise<Inventory> {
        return inventory(this.name);
    }

    /** Removes whatever an earlier run has left, however it ended: its objects on Docker, its state and its file. */
    async startAfresh(): Promise<void> {
        await removeLeftovers(this.name);
        for (const file of [
            ...this.stateFiles(),
            this.file,
            path.join(kept, "config", path.basename(this.file)),
        ]) {
            rmSync(file, { recursive: true, force: true });
        }
    }

    /** What the default backend keeps of the stack. */
    stateFiles(): string[] {
        const pulumi = path.join(kept, "state", ".pulumi");
        return [
            ...["json", "json.bak", "json.attrs", "json.bak.attrs"].map((ending) =>
                path.join(pulumi, "stacks", "gatehouse", `${this.name}.${ending}`),
            ),
            path.join(pulumi, "history", "gatehouse", this.name),
            path.join(pulumi, "backups", "gatehouse", this.name),
            path.join(pulumi, "locks", "organization", "gatehouse", this.name),
        ].filter((file) => existsSync(file));
    }
}

/** Refuses a preview that plans anything. */
export function requireNothingPlanned(preview: string): void {
    const planned = preview.split("\n").filter((line) => /^\s*(\+|~|-|\+-|-\+|±)\s*\d+ to \w+/.test(line));
    assert.deepEqual(planned, [], `the preview plans changes:\n${tail(preview, 60)}`);
    assert.match(
        preview,
        /\d+ unchanged/,
        `the preview does not say that all is unchanged:\n${tail(preview)}`,
    );
}

/**
 * The environment of a user who has chosen no backend of his own: the stacks of tests belong into the checkout, even
 * where somebody is logged in elsewhere. What make and an outer front door have set is theirs.
 */
export function usersEnvironment(): NodeJS.ProcessEnv {
    const nobody = path.join(kept, "tests", "no-login");
    mkdirSync(nobody, { recursive: true });
    const inherited = Object.entries(process.env).filter(
        ([name]) => !/^(PULUMI_|MAKE|MFLAGS|LINODE_)/.test(name),
    );
    const folders = (process.env["PATH"] ?? "").split(path.delimiter);
    const own = [cacheDirectory(), path.join(root, "node_modules")];
    return {
        ...Object.fromEntries(inherited),
        PATH: folders.filter((folder) => !own.some((each) => folder.startsWith(each))).join(path.delimiter),
        PULUMI_CREDENTIALS_PATH: nobody,
    };
}

import { readFileSync } from "node:fs";
import { join } from "node:path";

import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { strToU8, zlibSync } from "fflate";

import type { Machine } from "../machines/machine";
import { sshConnection } from "../machines/readiness";
import type { EtcdClient } from "./etcd/client";

/** Where a machine remembers what it runs on and whether it is a member of its cluster. */
export const stateFolder = "/var/lib/gatehouse";

/**
 * How a node takes its turn: what its scripts know about the clusters that it is a member of. The nodes that take turns with
 * each other share a store: Consul's or etcd's.
 */
export type RollArgs = ConsulRollArgs | EtcdRollArgs;

interface TurnArgs {
    /** Whether the node's agents are servers; in an etcd cluster, whether it is a member. */
    role: "server" | "client";
    /**
     * Its machine may be replaced without a question, even when it does not answer, whatever becomes of its data and
     * jobs: for the only server of a cluster that is made anew with it. Default: false.
     */
    expendable?: boolean;
    /** Seconds after which a node gives up when nothing moves: no turn changes hands, nobody gets well. Default: 300. */
    timeout?: number;
    /** Seconds after which a turn that was left behind may be taken over. Default: 60. For tests. */
    abandoned?: number;
    /** Seconds for which an agent that does not answer is waited for. Default: 15. For tests. */
    grace?: number;
    /** Seconds for which the only server waits for others before it refuses to be replaced. Default: 60. For tests. */
    company?: number;
    /** The folder of {@link stateFolder}. For tests. */
    state?: string;
}

/** A node of Consul, and of Nomad where there is one. */
export interface ConsulRollArgs extends TurnArgs {
    etcd?: undefined;
    /** Whether it runs jobs: they move elsewhere before it goes. Default: clients do, servers do not. */
    jobs?: boolean;
    /** Seconds that a client's allocations have to move elsewhere before they are stopped. Default: 60. */
    drain?: number;
    consul: {
        /** The agent's API on the machine itself. Default: `http://127.0.0.1:8500`. */
        api?: string;
        /**
         * A token that may write `gatehouse/` in the KV store, use the operators' endpoints (`operator = "write"`: to
         * hand leadership over), read all nodes and make an agent leave (`agent_prefix "" { policy = "write" }`).
         * Default: none, for clusters without ACLs.
         */
        token?: pulumi.Input<string>;
    };
    /** Default: there is no Nomad. */
    nomad?: {
        /** The agent's API on the machine itself. Default: `https://127.0.0.1:4646`. */
        api?: string;
        /** Path of its CA's certificate on the machine; only for https. */
        ca?: string;
        /**
         * For servers a management token: Nomad asks for no less to hand leadership over. For clients one that may
         * read and write nodes, and list and read jobs. Default: none, for clusters without ACLs.
         */
        token?: pulumi.Input<string>;
    };
}

/** A member of etcd, or a machine that runs none of it. */
export interface EtcdRollArgs extends TurnArgs {
    consul?: undefined;
    /**
     * How its scripts reach etcd. A member's need a user with the role `root`, to hand leadership over and to leave; others
     * one that may read and write under `/gatehouse/`.
     */
    etcd: Omit<EtcdClient, "endpoints" | "password"> & {
        endpoints: pulumi.Input<readonly string[]>;
        password: pulumi.Input<string>;
    };
}

/** A script of `files/` as a command. Everything in `argument` is for everybody to see. Pure. */
export function scriptCommand(argument: object): string {
    return `python3 - '${JSON.stringify(argument).replaceAll("'", `'\\''`)}'`;
}

/**
 * The script's source, and its secrets, as the command's input: neither is in a command line or an error message. The
 * files are joined in their order. Pure.
 */
export function scriptInput(files: readonly string[], secrets: object): string {
    return packed([`PAYLOAD = ${jsonLiteral(secrets)}`, ...scriptSources(files)].join("\n\n"));
}

/**
 * Scripts of `files/` as one program on the standard input, and after them the call of `entry` with the `run` that the
 * last of them defines and the secret part. Pure.
 *
 * @param system what errors begin with. Default: that of `entry`
 */
export function scriptProgram(
    files: readonly string[],
    argument: object,
    entry: string,
    secret: object,
    system?: string,
): { create: string; stdin: string } {
    const call = `${entry}(run, json.loads(${jsonLiteral(secret)})${system === undefined ? "" : `, ${JSON.stringify(system)}`})\n`;
    return { create: scriptCommand(argument), stdin: packed([...scriptSources(files), call].join("\n\n")) };
}

/**
 * A program of Python as one that unpacks and runs it, a fifth as long: the state has a command's input twice, and Pulumi
 * writes the whole state before and after every step. Pure: fflate packs the same on every machine, which Node's zlib does
 * not, and a command whose input differs is run again.
 */
export function packed(program: string): string {
    const text = Buffer.from(zlibSync(strToU8(program), { level: 9 })).toString("base64");
    return `import base64, zlib\nexec(zlib.decompress(base64.b64decode("${text}")))\n`;
}

/** A value's JSON text as a string literal of Python's: a JSON string is one. Pure. */
export function jsonLiteral(value: object): string {
    return JSON.stringify(JSON.stringify(value));
}

/** The texts of scripts of `files/`. */
export function scriptSources(files: readonly string[]): string[] {
    return files.map((file) => readFileSync(join(__dirname, "files", file), "utf8"));
}

/** The files that a script which takes turns is put behind. Pure. */
export function turnFiles(roll: RollArgs): string[] {
    const clusters = roll.etcd
        ? ["etcd_api.py", "etcd_turn.py"]
        : ["agents.py", "nomad_work.py", "consul_turn.py"];
    return ["machine.py", "turn.py", "membership.py", ...clusters];
}

/** A command that needs etcd's endpoints, as soon as they are known. */
export function withEndpoints(
    roll: RollArgs | undefined,
    command: (endpoints?: readonly string[]) => string,
): pulumi.Input<string> {
    return roll?.etcd ? pulumi.output(roll.etcd.endpoints).apply(command) : command();
}

/** What every script that takes turns is told. `endpoints`: etcd's. Pure. */
export function rollArgument(node: string, roll: RollArgs, endpoints: readonly string[] = []) {
    return {
        node,
        state: roll.state ?? stateFolder,
        role: roll.role,
        timeout: roll.timeout ?? 300,
        ...(roll.etcd ? etcdArgument(roll, endpoints) : consulArgument(roll)),
        ...(roll.abandoned !== undefined && { abandoned: roll.abandoned }),
        ...(roll.grace !== undefined && { grace: roll.grace }),
        ...(roll.company !== undefined && { company: roll.company }),
    };
}

function consulArgument({ role, jobs, drain, consul, nomad }: ConsulRollArgs) {
    return {
        jobs: jobs ?? role === "client",
        drain: drain ?? 60,
        consul: { api: consul.api ?? "http://127.0.0.1:8500" },
        ...(nomad && {
            nomad: {
                api: nomad.api ?? "https://127.0.0.1:4646",
                ...(nomad.ca !== undefined && { ca: nomad.ca }),
            },
        }),
    };
}

function etcdArgument({ etcd }: EtcdRollArgs, endpoints: readonly string[]) {
    const { caFile, certificateFile, keyFile, user } = etcd;
    return { etcd: { endpoints, ca: caFile, certificate: certificateFile, key: keyFile, user } };
}

/** The tokens, or etcd's password, as the scripts look for them. */
export function rollSecrets(
    roll: RollArgs | undefined,
): pulumi.Output<{ consul?: string; nomad?: string; etcd?: string }> {
    if (roll?.etcd) {
        return pulumi.output(roll.etcd.password).apply((etcd) => ({ ...(etcd && { etcd }) }));
    }
    return pulumi
        .all([roll?.consul.token, roll?.nomad?.token])
        .apply(([consul, nomad]) => ({ ...(consul && { consul }), ...(nomad && { nomad }) }));
}

/** What all commands on machines have in common. */
export function onMachine(machine: Machine): Omit<command.remote.CommandArgs, "create"> & {
    connection: pulumi.Output<command.types.input.remote.ConnectionArgs>;
} {
    return {
        connection: sshConnection(machine.connection),
        // An error carries the output already.
        logging: "none",
        // sshd would refuse the variables that hand it over.
        addPreviousOutputInEnv: false,
    };
}

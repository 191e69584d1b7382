import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { ending, start, tail, type CommandResult, type RunningCommand } from "../tests/support/command";
import { removeLeftovers } from "../tests/support/docker";
import { AddressService } from "../tests/support/linode/address-service";
import { privateRange } from "../tests/support/linode/addresses";
import { DockerDriver } from "../tests/support/linode/docker/driver";
import { LinodeEmulator, type EmulatorOptions } from "../tests/support/linode/emulator";
import { requireNothingPlanned, usersEnvironment, type Outputs } from "../tests/support/stack";
import { UserError } from "../toolchain/errors";
import { imageReference } from "../toolchain/images";
import { stateDirectory } from "../toolchain/paths";
import { settingsOf } from "../toolchain/stackfile";
import { hold } from "./lock";
import { requireFree } from "./ranges";
import { writeStackFiles } from "./stack-file";

export interface RehearsalArgs {
    /** Whose stack file is rehearsed: its substrate is `linode`. */
    stack: string;
    /** By which the platform's real delays are multiplied: 1 is real life, 0 no delay. */
    speed: number;
    /** Gets what the commands print, as it comes. */
    show?: (text: string) => void;
    /** Of the emulated platform. */
    platform?: Pick<EmulatorOptions, "limits" | "soldOut">;
}

/** Everything that a rehearsal makes on Docker has this as its stack's label. */
const label = "linode-rehearsal";

/** What public addresses are of: for benchmarks, routed nowhere. */
const publicRange = "198.18.0.0/15";

/** State, stack file and logs of the one that runs. */
const folder = join(stateDirectory, "rehearsal");

/**
 * A stack on an emulated Linode, brought up and down by the commands that a user has. Its state, its stack file and its
 * token are of this rehearsal alone, and every request goes to the emulator: the real API is neither known by address
 * nor would it take the token.
 */
export class Rehearsal {
    readonly emulator: LinodeEmulator;
    private running?: RunningCommand;
    private commands = 0;
    private closing?: Promise<void>;

    private constructor(
        private readonly args: RehearsalArgs,
        readonly driver: DockerDriver,
        private readonly addresses: AddressService,
        private readonly release: () => Promise<void>,
    ) {
        this.emulator = new LinodeEmulator({ ...args.platform, speed: args.speed, publicRange, driver });
    }

    /** One at a time on this computer; what a killed one has left is removed first. */
    static async open(args: RehearsalArgs): Promise<Rehearsal> {
        const release = await hold(label, (holder) =>
            args.show?.(`waiting for another rehearsal to end (${holder})\n`),
        );
        try {
            await removeLeftovers(label);
            const { network } = settingsOf(args.stack);
            await requireFree([publicRange, privateRange, String(network?.["subnet"])]);
            rmSync(folder, { recursive: true, force: true });
            mkdirSync(folder, { recursive: true, mode: 0o700 });
            writeStackFiles(join(folder, "stacks"), args.stack);
            const driver = new DockerDriver({
                name: label,
                publicRange,
                machineImage: imageReference(machineImage),
                balancerImage: imageReference("haproxy-base"),
            });
            const addresses = await AddressService.start(driver.operatorAddress);
            const rehearsal = new Rehearsal(args, driver, addresses, release);
            await rehearsal.emulator.start();
            return rehearsal;
        } catch (error) {
            await release();
            throw error;
        }
    }

    /** Where the commands' output is kept. */
    readonly logs = join(stateDirectory, "logs", label);

    /** Runs one of the front door's commands to its end, whatever that is. */
    run(command: string, variables: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
        const args = ["--no-print-directory", command, `STACK=${this.args.stack}`, ...variables];
        return this.start("make", args, { name: command, secret: variables.includes("SECRETS=1"), env });
    }

    /** Replaces one resource although nothing has changed, with a plain `pulumi`. */
    async replace(type: string, name: string): Promise<void> {
        const { stdout } = await this.must("env");
        const config = join(folder, "state", "config", `Pulumi.${this.args.stack}.yaml`);
        const urn = this.urns().find((each) => each.includes(`$${type}::`) && each.endsWith(`::${name}`));
        const command = `pulumi up --yes --skip-preview --non-interactive --config-file '${config}' --replace '${urn}'`;
        const result = await this.start("sh", ["-c", `${stdout}\n${command}`], { name: "replace" });
        if (result.code !== 0) {
            throw new Error(`pulumi up ended with ${ending(result)}:\n${tail(result.output, 60)}`);
        }
    }

    /** Kills the command that runs, with all that it has started, as a crash would. */
    async kill(): Promise<void> {
        await this.running?.kill();
    }

    /** Other settings than the stack file's from now on, by their path below `gatehouse:`. */
    configure(settings: Record<string, unknown>): void {
        writeStackFiles(join(folder, "stacks"), this.args.stack, settings);
    }

    private start(
        program: string,
        args: string[],
        options: { name: string; secret?: boolean; env?: NodeJS.ProcessEnv },
    ): Promise<CommandResult> {
        const { name, secret = false, env = {} } = options;
        this.commands += 1;
        const log = `${String(this.commands).padStart(2, "0")}-${name}.log`;
        this.running = start(program, args, {
            env: { ...this.environment(), ...env },
            log: secret ? undefined : join(this.logs, log),
            show: secret || ["outputs", "env"].includes(name) ? undefined : this.args.show,
            timeout: 1800,
        });
        return this.running.done;
    }

    private urns(): string[] {
        const file = join(
            folder,
            "state",
            "state",
            ".pulumi",
            "stacks",
            "gatehouse",
            `${this.args.stack}.json`,
        );
        const state = JSON.parse(readFileSync(file, "utf8")) as {
            checkpoint: { latest: { resources: { urn: string }[] } };
        };
        return state.checkpoint.latest.resources.map(({ urn }) => urn);
    }

    /** Runs a command that has to succeed. */
    async must(
        command: string,
        variables: string[] = [],
        env: NodeJS.ProcessEnv = {},
    ): Promise<CommandResult> {
        const result = await this.run(command, variables, env);
        if (result.code !== 0) {
            throw new Error(`make ${command} ended with ${ending(result)}:\n${tail(result.output, 60)}`);
        }
        return result;
    }

    /** A preview that has to find nothing to do. */
    async previewsNothing(): Promise<CommandResult> {
        const result = await this.must("preview");
        requireNothingPlanned(result.output);
        return result;
    }

    async outputs(): Promise<Outputs> {
        return JSON.parse((await this.must("outputs", ["SECRETS=1"])).stdout) as Outputs;
    }

    /** What the emulated account has, as `kind label`. */
    inventory(): string[] {
        return this.emulator
            .inventory()
            .map(({ kind, label: name }) => `${kind} ${name}`)
            .sort();
    }

    /** Ends whatever runs and removes everything, at whatever point it is. */
    close(): Promise<void> {
        return (this.closing ??= this.end());
    }

    private async end(): Promise<void> {
        await this.running?.kill();
        await this.running?.done;
        try {
            await this.emulator.stop();
            // What was on its way when everything was removed.
            await removeLeftovers(label);
        } finally {
            this.addresses.stop();
            rmSync(folder, { recursive: true, force: true });
            await this.release();
        }
    }

    private environment(): NodeJS.ProcessEnv {
        return {
            ...usersEnvironment(),
            GATEHOUSE_STATE: join(folder, "state"),
            GATEHOUSE_STACK_FILES: join(folder, "stacks"),
            GATEHOUSE_ADDRESS_URL: this.addresses.url,
            LINODE_URL: this.emulator.url,
            LINODE_TOKEN: this.emulator.token,
        };
    }
}

/** What every instance boots, whatever image it asks for. */
const machineImage = "machine-rehearsal";

/** What a rehearsal found wrong. */
export function fault(what: string): UserError {
    return new UserError(what, `the commands' whole output is in ${join(stateDirectory, "logs", label)}`);
}

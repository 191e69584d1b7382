import * as assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";

import * as pulumi from "@pulumi/pulumi";
import { stringify } from "yaml";

import { fileBackend, pulumiEnvironment } from "../../toolchain/backend";
import { Progress } from "../../toolchain/progress";
import { setUp } from "../../toolchain/setup";
import { needsOf } from "../../toolchain/versions";
import { ending, root, start, tail, type CommandResult, type RunningCommand } from "../support/command";

/** A resource of the state, with its secrets in plain text. */
export interface Deployed {
    urn: string;
    type: string;
    name: string;
    parent: string;
    id: string;
    outputs: Record<string, unknown>;
    /** Inputs, outputs and id in one text: another one is another resource. */
    content: string;
}

/** What a stack is after an `up`. */
export interface Snapshot<Outputs> {
    /** Resources that a provider has made, by `<type> <name>`. */
    resources: Map<string, Deployed>;
    components: Deployed[];
    /** With the secrets in plain text. */
    outputs: Outputs;
    /** Paths of the outputs that are secret. */
    secretOutputs: string[];
    /** Every value that the state keeps encrypted. */
    secrets: string[];
    /** What `up` printed. */
    said: string;
}

const { specialSecretSig, specialSigKey } = pulumi.runtime;
const stack = "test";

/**
 * A stack of the real engine, with the provider plugins that labs use, whose program is a function that one of the
 * test modules exports. It lives in a folder of its own.
 */
export class EngineStack<Settings, Outputs> {
    private constructor(
        private readonly folder: string,
        private readonly pulumi: string,
        private readonly env: NodeJS.ProcessEnv,
        private readonly program: { module: string; function: string },
    ) {}

    /**
     * @param program the function, which gets the settings of each `up`
     * @param options `config`: of the stack, such as a provider's; `environment`: additions
     */
    static async make<Settings, Outputs>(
        program: { module: string; function: string },
        options: { config?: Record<string, string | number>; environment?: NodeJS.ProcessEnv } = {},
    ): Promise<EngineStack<Settings, Outputs>> {
        const ready = await setUp(
            {
                tools: ["pulumi", "pulumi-language-nodejs"],
                images: [],
                plugins: needsOf("test").plugins,
            },
            { docker: false, quiet: true, progress: new Progress({ stream: { write: () => true } }) },
        );
        const folder = mkdtempSync(path.join(tmpdir(), "gatehouse-engine-"));
        mkdirSync(path.join(folder, "state"));
        symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"));
        writeFileSync(
            path.join(folder, "Pulumi.yaml"),
            stringify({ name: "gatehouse", main: "index.ts", runtime: "nodejs" }),
        );
        const tsconfig = { extends: path.join(root, "tsconfig.json") };
        writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(tsconfig));
        // A user's own login, passphrase and settings are none of the test's business.
        const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("PULUMI_"));
        const inherited: NodeJS.ProcessEnv = {
            ...Object.fromEntries(clean),
            ...options.environment,
            PULUMI_CREDENTIALS_PATH: folder,
        };
        const backend = {
            ours: true,
            reason: "a test",
            env: {
                PULUMI_BACKEND_URL: fileBackend(path.join(folder, "state")),
                PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex"),
            },
        };
        const { plugins, toolFolders, tools } = ready;
        const env = {
            ...inherited,
            ...pulumiEnvironment({ backend, toolFolders, plugins }, inherited),
        };
        const made = new EngineStack<Settings, Outputs>(folder, tools["pulumi"] ?? "pulumi", env, program);
        await made.must(["stack", "init", stack]);
        if (options.config !== undefined) {
            appendFileSync(path.join(folder, `Pulumi.${stack}.yaml`), stringify({ config: options.config }));
        }
        return made;
    }

    remove(): void {
        rmSync(this.folder, { recursive: true, force: true });
    }

    async up(settings: Settings): Promise<Snapshot<Outputs>> {
        this.write(settings);
        const { output } = await this.must(["up", "--yes", "--skip-preview", "--stack", stack]);
        return this.snapshot(output);
    }

    /** Starts an `up` without waiting for it. */
    begin(settings: Settings): RunningCommand {
        this.write(settings);
        return this.start(["up", "--yes", "--skip-preview", "--stack", stack]);
    }

    /** An `up` or a `destroy` that has to fail; returns what it said. */
    async fails(operation: "up" | "destroy", settings: Settings): Promise<string> {
        this.write(settings);
        const { code, output } = await this.start([operation, "--yes", "--skip-preview", "--stack", stack])
            .done;
        assert.notEqual(code, 0, `it succeeded:\n${tail(output)}`);
        return output;
    }

    async destroy(): Promise<void> {
        await this.must(["destroy", "--yes", "--skip-preview", "--stack", stack]);
    }

    /** What a killed run has left: its lock, and operations of which nobody knows how they ended. */
    async forgetPending(): Promise<{ type: string; name: string }[]> {
        await this.must(["cancel", "--yes", stack]);
        const state = JSON.parse(await this.stored()) as State;
        const pending = state.deployment.pending_operations ?? [];
        state.deployment.pending_operations = [];
        await this.must(["stack", "import", "--stack", stack], JSON.stringify(state));
        return pending.map(({ type, resource }) => ({ type, name: resource.urn.split("::").at(-1) ?? "" }));
    }

    /** A preview that has to find nothing to do. */
    async previewsNothing(settings: Settings): Promise<void> {
        this.write(settings);
        await this.must(["preview", "--expect-no-changes", "--stack", stack]);
    }

    /** Changes the state behind the program's back, resource by resource. */
    async alter(
        change: (resource: { urn: string; outputs: Record<string, unknown> }) => void,
    ): Promise<void> {
        const state = JSON.parse(await this.stored()) as State;
        state.deployment.resources.forEach((resource) => change({ outputs: {}, ...resource }));
        await this.must(["stack", "import", "--stack", stack], JSON.stringify(state));
    }

    /** What the state has, after a failure as well. */
    async known(): Promise<{ type: string; id?: string }[]> {
        return (JSON.parse(await this.stored()) as State).deployment.resources ?? [];
    }

    /** The state as it is written down: with its secrets encrypted. */
    stored(): Promise<string> {
        return this.exported();
    }

    private write(settings: Settings): void {
        const { module, function: name } = this.program;
        const call = `require(${JSON.stringify(module)}).${name}(${JSON.stringify(settings)})`;
        writeFileSync(path.join(this.folder, "index.ts"), `module.exports = ${call};\n`);
    }

    private async snapshot(said: string): Promise<Snapshot<Outputs>> {
        const { resources } = (JSON.parse(await this.exported("--show-secrets")) as State).deployment;
        const secrets: string[] = [];
        const deployed = resources.map((resource): Deployed & StoredParts => {
            const { inputs, outputs } = unwrap(resource, secrets) as StoredParts;
            const { urn, type, id = "", parent = "", custom } = resource;
            return {
                urn,
                type,
                name: urn.split("::").at(-1) ?? "",
                parent,
                id,
                custom,
                outputs: outputs ?? {},
                content: JSON.stringify([id, inputs, outputs]),
            };
        });
        const top = deployed.find(({ type }) => type === "pulumi:pulumi:Stack");
        const wrapped = resources.find(({ urn }) => urn === top?.urn);
        const made = deployed.filter(({ type, custom }) => custom && !type.startsWith("pulumi:providers:"));
        return {
            resources: new Map(made.map((resource) => [`${resource.type} ${resource.name}`, resource])),
            components: deployed.filter((resource) => !resource.custom && resource !== top),
            outputs: top?.outputs as Outputs,
            secretOutputs: secretPaths(wrapped?.outputs).sort(),
            secrets,
            said,
        };
    }

    private async exported(...options: string[]): Promise<string> {
        return (await this.must(["stack", "export", "--stack", stack, ...options])).stdout;
    }

    private start(args: string[], input?: string): RunningCommand {
        return start(this.pulumi, [...args, "--non-interactive", "--color", "never"], {
            cwd: this.folder,
            env: this.env,
            input,
            timeout: 120,
        });
    }

    private async must(args: string[], input?: string): Promise<CommandResult> {
        const result = await this.start(args, input).done;
        assert.equal(
            result.code,
            0,
            `pulumi ${args.join(" ")} ended with ${ending(result)}:\n${tail(result.output)}`,
        );
        return result;
    }
}

/** The names of what is new, gone or another in the second of two states. */
export function changesBetween(before: Snapshot<unknown>, after: Snapshot<unknown>): string[] {
    const names = new Set([...before.resources.keys(), ...after.resources.keys()]);
    return [...names]
        .filter((name) => before.resources.get(name)?.content !== after.resources.get(name)?.content)
        .sort();
}

interface StoredParts {
    custom: boolean;
    inputs?: Record<string, unknown>;
    outputs?: Record<string, unknown>;
}

interface State {
    deployment: {
        resources: (StoredParts & { urn: string; type: string; id?: string; parent?: string })[];
        pending_operations?: { type: string; resource: { urn: string } }[];
    };
}

function isSecret(value: unknown): value is { plaintext: string } {
    return (
        typeof value === "object" &&
        value !== null &&
        (value as Record<string, unknown>)[specialSigKey] === specialSecretSig
    );
}

/** The value with its secrets as they are; collects them on the way. */
function unwrap(value: unknown, secrets: string[]): unknown {
    if (isSecret(value)) {
        const plain = unwrap(JSON.parse(value.plaintext), secrets);
        secrets.push(...textsIn(plain));
        return plain;
    }
    if (Array.isArray(value)) {
        return value.map((each) => unwrap(each, secrets));
    }
    if (typeof value === "object" && value !== null) {
        return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, unwrap(each, secrets)]));
    }
    return value;
}

function textsIn(value: unknown): string[] {
    if (typeof value === "string") {
        return [value];
    }
    return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

function secretPaths(value: unknown, at: string[] = []): string[] {
    if (isSecret(value)) {
        return [at.join(".")];
    }
    return typeof value === "object" && value !== null
        ? Object.entries(value).flatMap(([key, each]) => secretPaths(each, [...at, key]))
        : [];
}

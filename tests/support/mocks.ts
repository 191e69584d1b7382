import * as path from "node:path";

import * as pulumi from "@pulumi/pulumi";

import { root } from "./command";

/** A resource as the program registered it. */
export interface Registered {
    urn: string;
    type: string;
    name: string;
    parent: string;
    custom: boolean;
    provider: string;
    inputs: Record<string, unknown>;
    /** Paths of the inputs that the engine was told are secret, e.g. `environment.PASSWORD`. */
    secretInputs: string[];
    additionalSecretOutputs: string[];
    deletedWith: string;
    dependencies: string[];
}

/** What a program did under mocks. */
export interface Run {
    resources: Registered[];
    /** The stack outputs, plain where the program made them known. */
    outputs: Record<string, { value: unknown; secret: boolean; known: boolean }>;
}

/** The outputs that a provider would add to a resource's inputs; an unlisted type is an error. */
export type Computed = Record<
    string,
    (name: string, inputs: Record<string, unknown>) => Record<string, unknown>
>;

const { specialSecretSig, specialSigKey, unknownValue } = pulumi.runtime;

/** Marks generated values, so that a test can look for them wherever they may have gone. */
export const secretMark = "gatehouse-secret-of-";

/**
 * Runs the whole program as the engine would, with nothing behind it. In a preview every computed output is unknown,
 * as on a first `pulumi preview`.
 */
export async function runProgram(
    settings: Record<string, unknown>,
    options: { preview: boolean; computed: Computed; stack?: string },
): Promise<Run> {
    const resources: Registered[] = [];
    const stack = options.stack ?? "test";
    let refuse: (error: Error) => void;
    // An engine that refuses a resource ends the program; the mocks' would let it wait for ever.
    const refused = new Promise<never>((_, reject) => (refuse = reject));
    const refusal = (what: string): Error => {
        const error = new Error(`unmocked ${what}`);
        refuse(error);
        return error;
    };
    await pulumi.runtime.setMocks(
        {
            newResource: (args) => {
                if (!args.custom) {
                    return { id: undefined, state: args.inputs };
                }
                const computed = options.computed[args.type];
                if (computed === undefined) {
                    throw refusal(`resource type ${args.type} (${args.name})`);
                }
                const state = computed(args.name, plain(args.inputs) as Record<string, unknown>);
                return options.preview
                    ? { id: "", state: { ...args.inputs, ...unknowns(state) } }
                    : { id: `${args.name}-id`, state: { ...args.inputs, ...state } };
            },
            call: (args) => {
                throw refusal(`call ${args.token}`);
            },
        },
        "gatehouse",
        stack,
        options.preview,
    );
    record(resources);
    const config = Object.entries(settings).map(([key, value]) => [
        `gatehouse:${key}`,
        typeof value === "string" ? value : JSON.stringify(value),
    ]);
    pulumi.runtime.setAllConfig(Object.fromEntries(config));

    let exported: Record<string, unknown> = {};
    const finished = async (): Promise<Run> => {
        await pulumi.runtime.runInPulumiStack(async () => (exported = freshProgram()));
        const outputs = await settle(exported);
        await pulumi.runtime.disconnect();
        return { resources, outputs };
    };
    return Promise.race([finished(), refused]);
}

/** Loads index.ts anew, as a new process would; a program's modules create resources when they are loaded. */
function freshProgram(): Record<string, unknown> {
    const ours = (file: string) => file.startsWith(root + path.sep) && !file.includes("node_modules");
    for (const file of Object.keys(require.cache)) {
        if (ours(file) && !file.startsWith(path.join(root, "tests"))) {
            delete require.cache[file];
        }
    }
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- import() would not run it a second time
    return { ...(require(path.join(root, "index.ts")) as Record<string, unknown>) };
}

/** Notes what the mocks' own interface leaves out: parents, secrecy and dependencies. */
function record(resources: Registered[]): void {
    const monitor = pulumi.runtime.getMonitor() as unknown as Monitor;
    const register = monitor.registerResource.bind(monitor);
    monitor.registerResource = (request, callback) =>
        register(request, (error, response) => {
            if (error === null && response !== undefined) {
                const inputs = request.getObject().toJavaScript();
                resources.push({
                    urn: response.getUrn(),
                    type: request.getType(),
                    name: request.getName(),
                    parent: request.getParent(),
                    custom: request.getCustom(),
                    provider: request.getProvider(),
                    inputs: plain(inputs) as Record<string, unknown>,
                    secretInputs: secretPaths(inputs),
                    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
                    deletedWith: request.getDeletedwith(),
                    dependencies: request.getDependenciesList(),
                });
            }
            callback(error, response);
        });
}

/** The parts of the monitor's protocol that are read here. */
interface Monitor {
    registerResource(
        request: {
            getType(): string;
            getName(): string;
            getParent(): string;
            getCustom(): boolean;
            getProvider(): string;
            getObject(): { toJavaScript(): Record<string, unknown> };
            getAdditionalsecretoutputsList(): string[];
            getDeletedwith(): string;
            getDependenciesList(): string[];
        },
        callback: (error: Error | null, response?: { getUrn(): string }) => void,
    ): unknown;
}

async function settle(exported: Record<string, unknown>): Promise<Run["outputs"]> {
    const settled = Object.entries(exported).map(async ([name, value]) => {
        const output = pulumi.output(value) as pulumi.Output<unknown> & {
            promise(): Promise<unknown>;
            isKnown: Promise<boolean>;
            isSecret: Promise<boolean>;
        };
        return [
            name,
            { value: await output.promise(), known: await output.isKnown, secret: await output.isSecret },
        ] as const;
    });
    return Object.fromEntries(await Promise.all(settled));
}

function unknowns(state: Record<string, unknown>): Record<string, unknown> {
    return Object.fromEntries(Object.keys(state).map((key) => [key, unknownValue]));
}

function isSecret(value: unknown): value is { value: unknown } {
    return (
        typeof value === "object" &&
        value !== null &&
        (value as Record<string, unknown>)[specialSigKey] === specialSecretSig
    );
}

/** The value with the engine's wrapping of secrets taken off. */
function plain(value: unknown): unknown {
    if (isSecret(value)) {
        return plain(value.value);
    }
    if (Array.isArray(value)) {
        return value.map(plain);
    }
    if (typeof value === "object" && value !== null) {
        return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
    }
    return value;
}

function secretPaths(value: unknown, at: string[] = []): string[] {
    if (isSecret(value)) {
        return [at.join(".")];
    }
    if (typeof value !== "object" || value === null) {
        return [];
    }
    return Object.entries(value).flatMap(([key, inner]) => secretPaths(inner, [...at, key]));
}

/** Every place below `value` whose text contains a generated secret, as a path. */
export function secretsIn(value: unknown, at: string[] = []): string[] {
    if (typeof value === "string") {
        return value.includes(secretMark) ? [at.join(".")] : [];
    }
    if (typeof value !== "object" || value === null) {
        return [];
    }
    return Object.entries(value).flatMap(([key, inner]) => secretsIn(inner, [...at, key]));
}

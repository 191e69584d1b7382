import type { Change } from "./diff";
import type { Failure } from "./check";
import type { Properties } from "./schema";
import type { Values } from "./values";

/** What an operation of a resource may use beside its arguments. */
export interface Context<Client> {
    /** What the provider's `configure` returned. */
    client: Client;
    urn: string;
    /** The resource's name in the program. */
    name: string;
    /** Only plans; nothing may be changed. */
    preview: boolean;
    /** Aborted when the user cancels, or when the resource's custom timeout passes. Pass it on to everything that waits. */
    signal: AbortSignal;
    /** Milliseconds from `customTimeouts`, if the program has set them. */
    timeout: number | undefined;
    /** Paths (top level) of the inputs that are secret; never log their values. */
    secretInputs: ReadonlySet<string>;
    log: ResourceLog;
}

/** Messages that the engine shows beside the resource. */
export interface ResourceLog {
    debug(message: string): void;
    info(message: string): void;
    warn(message: string): void;
    error(message: string): void;
    /** Progress: shown while the operation runs, not kept in the diagnostics. */
    status(message: string): void;
}

export interface CreateResult<Outputs> {
    id: string;
    /** Added to (and overriding) the inputs, which are outputs as well. */
    outputs: Partial<Outputs>;
}

export interface ReadResult<Outputs> {
    /** Defaults to the id that was asked for. */
    id?: string;
    /** The computed outputs. */
    outputs: Partial<Outputs>;
    /**
     * The inputs as observed on the real object, as many as can be observed. On a refresh, properties that agree with
     * the program's keep the program's spelling. On an import they become the inputs.
     */
    inputs: Values;
}

/** The table entry of one resource type. Values given to its functions are plain: secrets unwrapped, defaults filled in. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export interface ResourceDefinition<Client, Inputs = any, Outputs = any> {
    /** Properties that a program may set. All of them are outputs as well. */
    inputs: Properties;
    /** Properties that only the provider sets: unknown while a creation is previewed. */
    outputs?: Properties;
    /** Outputs that are secret although no schema entry says so, given the top-level inputs that are. */
    secretOutputs?: (secretInputs: ReadonlySet<string>) => string[];
    /** Outputs that follow inputs: unknown in the preview of an update that changes any of the named inputs. */
    changesWith?: (changed: ReadonlySet<string>, olds: Outputs, news: Inputs) => string[];
    /** The old object has to go before its successor is made (beside the rule for fixed names). */
    deleteBeforeReplace?: boolean;
    /** Refusals that concern more than one property. Values may be `UNKNOWN`. */
    check?(context: Context<Client>, inputs: Inputs): Failure[] | Promise<Failure[]>;
    /** Adds to or removes from the changes found by comparison. */
    diff?(
        context: Context<Client>,
        args: { id: string; state: Outputs; oldInputs: Inputs; news: Inputs; changes: Change[] },
    ): Change[] | Promise<Change[]>;
    /** Known outputs of a planned creation or update, instead of unknown ones. Inputs may hold `UNKNOWN`. */
    plan?(
        context: Context<Client>,
        inputs: Inputs,
        state: Outputs | undefined,
    ): Partial<Outputs> | Promise<Partial<Outputs>>;
    create(context: Context<Client>, inputs: Inputs): Promise<CreateResult<Outputs>>;
    /** `undefined` when the object is gone. With `state` empty (`undefined`) it is an import by id. */
    read?(
        context: Context<Client>,
        id: string,
        state: Outputs | undefined,
        inputs: Inputs | undefined,
    ): Promise<ReadResult<Outputs> | undefined>;
    /** Returns the computed outputs that have changed. Left out: every change replaces the resource. */
    update?(
        context: Context<Client>,
        id: string,
        state: Outputs,
        news: Inputs,
        oldInputs: Inputs,
    ): Promise<Partial<Outputs>>;
    /** Must succeed when the object is already gone. Left out: nothing to do. */
    delete?(context: Context<Client>, id: string, state: Outputs): Promise<void>;
}

/** Keeps the types of a table entry's functions in step with each other. */
export function resource<Client, Inputs, Outputs>(
    definition: ResourceDefinition<Client, Inputs, Outputs>,
): ResourceDefinition<Client> {
    return definition;
}

/** The table entry of one function. The engine calls none before all its arguments and the provider's settings are known. */
export interface FunctionDefinition<Client> {
    inputs: Properties;
    /** Those marked `secret` are secret in the result. */
    outputs: Properties;
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    invoke(context: Context<Client>, args: any): Promise<Values>;
}

export interface ProviderDefinition<Client> {
    /** The package name, e.g. `docker`. */
    name: string;
    /** The official version whose place it takes. */
    version: string;
    config: Properties;
    /** Makes the client; should not connect yet, so that previews work while the other side is still to be made. */
    configure(config: Values): Client | Promise<Client>;
    resources: Record<string, ResourceDefinition<Client>>;
    functions?: Record<string, FunctionDefinition<Client>>;
}

/**
 * The object exists but is not as it should be (it does not start, its health check fails …). The engine keeps it in
 * the state as created, and plans an update (or a replacement) for the next run.
 */
export class PartialFailure extends Error {
    constructor(
        readonly id: string,
        readonly outputs: Values,
        readonly reasons: string[],
    ) {
        super(reasons.join("; "));
        this.name = "PartialFailure";
    }
}

/** Why an operation is aborted when its engine has vanished: nobody will record what the operation makes. */
export class EngineGone extends Error {
    constructor() {
        super("the Pulumi engine has gone away");
        this.name = "EngineGone";
    }
}

/** Thrown by waiting code when the user has cancelled. */
export class Cancelled extends Error {
    constructor(what: string) {
        super(`${what} was cancelled`);
        this.name = "Cancelled";
    }
}

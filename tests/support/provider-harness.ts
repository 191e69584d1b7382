import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as proto from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";

import { startServer, UNKNOWN, type ProviderDefinition, type Values } from "../../plugins/lib";
import { decode, encode, isObject, type Secrets } from "../../plugins/lib/values";

/** A secret value in the inputs or outputs of a call. */
export class Secret {
    constructor(readonly value: unknown) {}
}

export interface LogLine {
    severity: number;
    message: string;
    ephemeral: boolean;
}

export interface DetailedDiff {
    changed: boolean;
    /** Path to kind, e.g. `{ "ports[0].external": "UPDATE_REPLACE" }`. */
    paths: Record<string, string>;
    replaces: string[];
    deleteBeforeReplace: boolean;
}

export interface InitFailure {
    id: string;
    properties: Values;
    reasons: string[];
}

/**
 * Plays the engine: serves a provider in this process on a real socket and makes the calls that the engine makes.
 * Values are plain; secrets are `Secret` objects and unknowns `UNKNOWN`, both ways.
 */
export class ProviderHarness {
    readonly logs: LogLine[] = [];
    private constructor(
        private readonly client: ResourceProviderClient,
        private readonly stop: () => void,
    ) {}

    static async start<Client>(
        definition: ProviderDefinition<Client>,
        config: Values = {},
    ): Promise<ProviderHarness> {
        const engine = new grpc.Server();
        let harness: ProviderHarness | undefined = undefined;
        const log: grpc.handleUnaryCall<LogRequest, Empty> = (call, callback) => {
            harness?.logs.push({
                severity: call.request.getSeverity(),
                message: call.request.getMessage(),
                ephemeral: call.request.getEphemeral(),
            });
            callback(null, new Empty());
        };
        engine.addService({ log: EngineService.log } as unknown as grpc.ServiceDefinition, { log });
        const enginePort = await new Promise<number>((resolve, reject) =>
            engine.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
                error ? reject(error) : resolve(port),
            ),
        );
        const plugin = await startServer(definition, `127.0.0.1:${enginePort}`);
        const client = new ResourceProviderClient(
            `127.0.0.1:${plugin.port}`,
            grpc.credentials.createInsecure(),
        );
        harness = new ProviderHarness(client, () => {
            client.close();
            void plugin.close().finally(() => engine.forceShutdown());
        });
        await harness.configure(config);
        return harness;
    }

    close(): void {
        this.stop();
    }

    async configure(config: Values): Promise<void> {
        const request = new proto.ConfigureRequest().setArgs(toWire(config)).setAcceptsecrets(true);
        await this.call<proto.ConfigureResponse>((done) => this.client.configure(request, done));
    }

    async checkConfig(news: Values): Promise<{ failures: { property: string; reason: string }[] }> {
        const request = new proto.CheckRequest().setNews(toWire(news)).setOlds(toWire({}));
        const response = await this.call<proto.CheckResponse>((done) =>
            this.client.checkConfig(request, done),
        );
        return { failures: failuresOf(response) };
    }

    async schema(): Promise<Values> {
        const response = await this.call<proto.GetSchemaResponse>((done) =>
            this.client.getSchema(new proto.GetSchemaRequest(), done),
        );
        return JSON.parse(response.getSchema()) as Values;
    }

    async check(
        type: string,
        news: Values,
        olds: Values = {},
        name = "it",
    ): Promise<{ inputs: Values; failures: { property: string; reason: string }[] }> {
        const request = new proto.CheckRequest()
            .setUrn(urn(type, name))
            .setNews(toWire(news))
            .setOlds(toWire(olds))
            .setRandomseed(Buffer.from("seed"));
        const response = await this.call<proto.CheckResponse>((done) => this.client.check(request, done));
        return { inputs: fromWire(response.getInputs()), failures: failuresOf(response) };
    }

    async diff(
        type: string,
        id: string,
        state: Values,
        oldInputs: Values,
        news: Values,
    ): Promise<DetailedDiff> {
        const request = new proto.DiffRequest()
            .setUrn(urn(type))
            .setId(id)
            .setOlds(toWire(state))
            .setOldInputs(toWire(oldInputs))
            .setNews(toWire(news));
        const response = await this.call<proto.DiffResponse>((done) => this.client.diff(request, done));
        const kinds = Object.entries(proto.PropertyDiff.Kind);
        const paths: Record<string, string> = {};
        response.getDetaileddiffMap().forEach((value, path) => {
            paths[path] = kinds.find(([, kind]) => kind === value.getKind())?.[0] ?? "?";
        });
        return {
            changed: response.getChanges() === proto.DiffResponse.DiffChanges.DIFF_SOME,
            paths,
            replaces: response.getReplacesList(),
            deleteBeforeReplace: response.getDeletebeforereplace(),
        };
    }

    async create(
        type: string,
        inputs: Values,
        options: { preview?: boolean; timeout?: number; name?: string } = {},
    ): Promise<{ id: string; outputs: Values }> {
        const request = new proto.CreateRequest()
            .setUrn(urn(type, options.name))
            .setProperties(toWire(inputs))
            .setPreview(options.preview ?? false)
            .setTimeout(options.timeout ?? 0);
        const response = await this.call<proto.CreateResponse>((done) => this.client.create(request, done));
        return { id: response.getId(), outputs: fromWire(response.getProperties()) };
    }

    /** `undefined` when the provider says that the object is gone. */
    async read(
        type: string,
        id: string,
        state: Values = {},
        inputs: Values = {},
    ): Promise<{ id: string; outputs: Values; inputs: Values } | undefined> {
        const request = new proto.ReadRequest()
            .setUrn(urn(type))
            .setId(id)
            .setProperties(toWire(state))
            .setInputs(toWire(inputs));
        const response = await this.call<proto.ReadResponse>((done) => this.client.read(request, done));
        return response.getId() === ""
            ? undefined
            : {
                  id: response.getId(),
                  outputs: fromWire(response.getProperties()),
                  inputs: fromWire(response.getInputs()),
              };
    }

    async update(
        type: string,
        id: string,
        state: Values,
        oldInputs: Values,
        news: Values,
        options: { preview?: boolean } = {},
    ): Promise<Values> {
        const request = new proto.UpdateRequest()
            .setUrn(urn(type))
            .setId(id)
            .setOlds(toWire(state))
            .setOldInputs(toWire(oldInputs))
            .setNews(toWire(news))
            .setPreview(options.preview ?? false);
        const response = await this.call<proto.UpdateResponse>((done) => this.client.update(request, done));
        return fromWire(response.getProperties());
    }

    async delete(type: string, id: string, state: Values): Promise<void> {
        const request = new proto.DeleteRequest().setUrn(urn(type)).setId(id).setProperties(toWire(state));
        await this.call<Empty>((done) => this.client.delete(request, done));
    }

    async invoke(token: string, args: Values): Promise<Values> {
        const request = new proto.InvokeRequest().setTok(token).setArgs(toWire(args));
        const response = await this.call<proto.InvokeResponse>((done) => this.client.invoke(request, done));
        return fromWire(response.getReturn());
    }

    async cancel(): Promise<void> {
        await this.call<Empty>((done) => this.client.cancel(new Empty(), done));
    }

    private call<Response>(
        start: (done: (error: grpc.ServiceError | null, response: Response) => void) => void,
    ): Promise<Response> {
        return new Promise((resolve, reject) =>
            start((error, response) =>
                error ? reject(new Error(error.details, { cause: error })) : resolve(response),
            ),
        );
    }
}

/** The "created, but not as it should be" part of an error, which the engine records in the state. */
export function initFailureOf(error: unknown): InitFailure | undefined {
    const cause = (error as { cause?: grpc.ServiceError }).cause;
    const details = cause?.metadata.get("grpc-status-details-bin")[0];
    if (!details || typeof details === "string") {
        return undefined;
    }
    const any = Status.deserializeBinary(new Uint8Array(details)).getDetailsList()[0];
    const failed = any && proto.ErrorResourceInitFailed.deserializeBinary(any.getValue_asU8());
    return (
        failed && {
            id: failed.getId(),
            properties: fromWire(failed.getProperties()),
            reasons: failed.getReasonsList(),
        }
    );
}

/** Outputs without their secret wrappers. */
export function plain(value: Values): Values {
    const strip = (item: unknown): unknown => {
        if (item instanceof Secret) {
            return strip(item.value);
        }
        if (Array.isArray(item)) {
            return item.map(strip);
        }
        return isObject(item)
            ? Object.fromEntries(Object.entries(item).map(([key, member]) => [key, strip(member)]))
            : item;
    };
    return strip(value) as Values;
}

export { UNKNOWN };

function urn(type: string, name = "it"): string {
    return `urn:pulumi:test::harness::${type}::${name}`;
}

function failuresOf(response: proto.CheckResponse): { property: string; reason: string }[] {
    return response.getFailuresList().map((failure) => ({
        property: failure.getProperty(),
        reason: failure.getReason(),
    }));
}

function toWire(values: Values): ReturnType<typeof encode> {
    const split = (value: unknown): [unknown, Secrets] => {
        if (value instanceof Secret) {
            return [split(value.value)[0], true];
        }
        if (Array.isArray(value) || isObject(value)) {
            const secrets: { [key: string]: Secrets } = {};
            const entries = Object.entries(value).map(([key, item]) => {
                const [member, secret] = split(item);
                if (secret !== undefined) {
                    secrets[key] = secret;
                }
                return [key, member] as const;
            });
            const marked = Object.keys(secrets).length > 0 ? secrets : undefined;
            return [
                Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries),
                marked,
            ];
        }
        return [value, undefined];
    };
    const [plainValues, secrets] = split(values);
    return encode(plainValues as Values, secrets);
}

function fromWire(struct: Parameters<typeof decode>[0]): Values {
    const join = (value: unknown, secrets: Secrets): unknown => {
        if (secrets === true) {
            return new Secret(value);
        }
        if (Array.isArray(value)) {
            return value.map((item, index) => join(item, secrets?.[index]));
        }
        return isObject(value)
            ? Object.fromEntries(
                  Object.entries(value).map(([key, item]) => [key, join(item, secrets?.[key])]),
              )
            : value;
    };
    const { values, secrets } = decode(struct);
    return join(values, secrets) as Values;
}

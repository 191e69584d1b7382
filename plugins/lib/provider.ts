import { status } from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import * as plugin from "@pulumi/pulumi/proto/plugin_pb";
import * as proto from "@pulumi/pulumi/proto/provider_pb";

import { checkProperties, nameAutomatically, type CheckOptions } from "./check";
import { decodeConfig } from "./config";
import { diffProperties, refreshInputs, type Change } from "./diff";
import { initFailed, refusal } from "./errors";
import {
    importedInputs,
    keepsFixedName,
    nextState,
    outputSecrets,
    plannedCreation,
    plannedUpdate,
    schemaSecrets,
    withoutInternals,
    withoutUndefined,
} from "./operations";
import { checkFailure, diffResponse, identify, topLevel } from "./messages";
import { PartialFailure } from "./resource";
import { Operations, type Operation } from "./running";
import { schemaJson } from "./schema-json";
import { decode, encode, hasUnknown, mergeSecrets, type Decoded, type Values } from "./values";

import type { EngineLog } from "./engine-log";
import type { Properties } from "./schema";
import type { Context, ProviderDefinition, ResourceDefinition } from "./resource";

/** The engine's resource provider protocol over a table of resource definitions. One method per call of the protocol. */
export class Provider<Client> {
    private client: Client | undefined;
    private acceptSecrets = true;
    private readonly operations = new Operations<Client>();
    private readonly official: string;

    constructor(
        private readonly definition: ProviderDefinition<Client>,
        private log: EngineLog | undefined,
    ) {
        this.official = `${definition.name} ${definition.version}`;
    }

    attach(log: EngineLog): void {
        this.log = log;
    }

    getPluginInfo(): plugin.PluginInfo {
        return new plugin.PluginInfo().setVersion(this.definition.version);
    }

    getSchema(): proto.GetSchemaResponse {
        return new proto.GetSchemaResponse().setSchema(schemaJson(this.definition));
    }

    checkConfig(request: proto.CheckRequest): proto.CheckResponse {
        const news = decode(request.getNews());
        const { failures } = checkProperties(
            decodeConfig(news.values, this.definition.config),
            this.definition.config,
            { what: `the ${this.definition.name} provider`, official: this.official },
        );
        return new proto.CheckResponse()
            .setInputs(encode(news.values, news.secrets))
            .setFailuresList(failures.map(checkFailure));
    }

    diffConfig(request: proto.DiffRequest): proto.DiffResponse {
        const config = this.definition.config;
        const read = (struct: Parameters<typeof decode>[0]): Values =>
            decodeConfig(decode(struct).values, config);
        const olds = request.getOldInputs() ?? request.getOlds();
        return diffResponse(diffProperties(read(olds), read(request.getNews()), config), false);
    }

    async configure(request: proto.ConfigureRequest): Promise<proto.ConfigureResponse> {
        this.acceptSecrets = request.getAcceptsecrets();
        const config = decodeConfig(decode(request.getArgs()).values, this.definition.config);
        // With unknown settings there is nobody to talk to yet; resources are then planned from their inputs.
        if (!hasUnknown(config)) {
            const { inputs } = checkProperties(config, this.definition.config, {
                what: `the ${this.definition.name} provider`,
                official: this.official,
            });
            this.client = await this.definition.configure(inputs);
        }
        return new proto.ConfigureResponse()
            .setAcceptsecrets(true)
            .setSupportspreview(true)
            .setAcceptresources(false)
            .setAcceptoutputs(false);
    }

    async invoke(request: proto.InvokeRequest): Promise<proto.InvokeResponse> {
        const token = request.getTok();
        const definition = this.definition.functions?.[token];
        if (!definition) {
            throw this.notCovered("the function", token);
        }
        const args = decode(request.getArgs());
        const { inputs, failures } = checkProperties(
            args.values,
            definition.inputs,
            this.checkOptions(token),
        );
        if (failures.length > 0) {
            return new proto.InvokeResponse().setFailuresList(failures.map(checkFailure));
        }
        const operation = { urn: "", type: token, name: token, secrets: args.secrets };
        return this.run(operation, definition.inputs, async (context) => {
            const result = await definition.invoke(context, inputs);
            const secrets = schemaSecrets(result, definition.outputs);
            return new proto.InvokeResponse().setReturn(encode(result, secrets, this.acceptSecrets));
        });
    }

    async check(request: proto.CheckRequest): Promise<proto.CheckResponse> {
        const { type, name } = identify(request);
        const definition = this.resource(type);
        const news = decode(request.getNews());
        const olds = decode(request.getOlds());
        const { inputs, failures } = checkProperties(news.values, definition.inputs, this.checkOptions(type));
        nameAutomatically(inputs, olds.values, definition.inputs, name, request.getRandomseed_asU8());
        if (failures.length === 0 && definition.check) {
            const operation = { urn: request.getUrn(), type, name, preview: true, secrets: news.secrets };
            await this.run(operation, definition.inputs, async (context) => {
                failures.push(...(await definition.check!(context, inputs)));
            });
        }
        return new proto.CheckResponse()
            .setInputs(encode(inputs, news.secrets, this.acceptSecrets))
            .setFailuresList(failures.map(checkFailure));
    }

    async diff(request: proto.DiffRequest): Promise<proto.DiffResponse> {
        const { type, name } = identify(request);
        const definition = this.resource(type);
        const state = decode(request.getOlds()).values;
        const news = decode(request.getNews());
        const changes = await this.changes(definition, {
            urn: request.getUrn(),
            type,
            name,
            id: request.getId(),
            state,
            oldInputs: request.hasOldInputs() ? decode(request.getOldInputs()).values : state,
            news,
        });
        const mustGoFirst =
            definition.deleteBeforeReplace === true || keepsFixedName(definition, state, news.values);
        return diffResponse(changes, mustGoFirst);
    }

    private async changes(
        definition: ResourceDefinition<Client>,
        args: Omit<Operation, "secrets" | "inputs"> & {
            id: string;
            state: Values;
            oldInputs: Values;
            news: Decoded;
        },
    ): Promise<Change[]> {
        let changes = diffProperties(args.oldInputs, args.news.values, definition.inputs);
        if (definition.diff) {
            changes = await this.run(
                { ...args, preview: true, secrets: args.news.secrets },
                definition.inputs,
                async (context) =>
                    definition.diff!(context, {
                        id: args.id,
                        state: args.state,
                        oldInputs: args.oldInputs,
                        news: args.news.values,
                        changes,
                    }),
            );
        }
        return definition.update ? changes : changes.map((change) => ({ ...change, replace: true }));
    }

    async create(request: proto.CreateRequest): Promise<proto.CreateResponse> {
        const { type, name } = identify(request);
        const definition = this.resource(type);
        const inputs = decode(request.getProperties());
        const operation = {
            urn: request.getUrn(),
            type,
            name,
            preview: request.getPreview(),
            timeout: request.getTimeout(),
            secrets: inputs.secrets,
        };
        return this.run(operation, definition.inputs, async (context) => {
            if (request.getPreview()) {
                const known = (await definition.plan?.(context, inputs.values, undefined)) ?? {};
                const planned = withoutInternals(plannedCreation(inputs.values, definition, known));
                return new proto.CreateResponse().setProperties(
                    this.encodeState(planned, inputs, definition),
                );
            }
            try {
                const { id, outputs } = await definition.create(context, inputs.values);
                const state = { ...withoutInternals(inputs.values), ...outputs };
                return new proto.CreateResponse()
                    .setId(id)
                    .setProperties(this.encodeState(state, inputs, definition));
            } catch (error) {
                throw this.withState(error, inputs, withoutInternals(inputs.values), definition);
            }
        });
    }

    async read(request: proto.ReadRequest): Promise<proto.ReadResponse> {
        const { type, name } = identify(request);
        const definition = this.resource(type);
        const state = decode(request.getProperties());
        const inputs = decode(request.getInputs());
        const importing = Object.keys(state.values).length === 0;
        const secrets = mergeSecrets(state.secrets, inputs.secrets);
        if (!definition.read) {
            if (importing) {
                throw refusal(status.UNIMPLEMENTED, `${type} cannot be imported`);
            }
            return new proto.ReadResponse()
                .setId(request.getId())
                .setProperties(request.getProperties())
                .setInputs(request.getInputs());
        }
        return this.run(
            { urn: request.getUrn(), type, name, secrets },
            definition.inputs,
            async (context) => {
                const found = await definition.read!(
                    context,
                    request.getId(),
                    importing ? undefined : state.values,
                    importing ? undefined : inputs.values,
                );
                if (!found) {
                    return new proto.ReadResponse();
                }
                const before = importing ? {} : inputs.values;
                const observed = importing
                    ? importedInputs(found.inputs)
                    : refreshInputs(before, found.inputs, definition.inputs);
                const outputs = {
                    ...nextState(state.values, observed, definition),
                    ...withoutUndefined(found.outputs),
                };
                return new proto.ReadResponse()
                    .setId(found.id ?? request.getId())
                    .setProperties(this.encodeState(outputs, { values: observed, secrets }, definition))
                    .setInputs(encode(observed, inputs.secrets, this.acceptSecrets));
            },
        );
    }

    async update(request: proto.UpdateRequest): Promise<proto.UpdateResponse> {
        const { type, name } = identify(request);
        const definition = this.resource(type);
        const state = decode(request.getOlds()).values;
        const news = decode(request.getNews());
        const oldInputs = request.hasOldInputs() ? decode(request.getOldInputs()).values : state;
        const operation = {
            urn: request.getUrn(),
            type,
            name,
            preview: request.getPreview(),
            timeout: request.getTimeout(),
            secrets: news.secrets,
        };
        return this.run(operation, definition.inputs, async (context) => {
            if (request.getPreview()) {
                const all = await this.changes(definition, {
                    ...operation,
                    id: request.getId(),
                    state,
                    oldInputs,
                    news,
                });
                const changed = new Set(all.map((change) => topLevel(change.path)));
                const known = (await definition.plan?.(context, news.values, state)) ?? {};
                const planned = plannedUpdate(state, news.values, changed, definition, known);
                return new proto.UpdateResponse().setProperties(this.encodeState(planned, news, definition));
            }
            const next = nextState(state, news.values, definition);
            try {
                const outputs = await definition.update!(
                    context,
                    request.getId(),
                    state,
                    news.values,
                    oldInputs,
                );
                return new proto.UpdateResponse().setProperties(
                    this.encodeState({ ...next, ...withoutUndefined(outputs) }, news, definition),
                );
            } catch (error) {
                throw this.withState(error, news, next, definition);
            }
        });
    }

    async delete(request: proto.DeleteRequest): Promise<Empty> {
        const { type, name } = identify(request);
        const definition = this.resource(type);
        const state = decode(request.getProperties());
        const operation = {
            urn: request.getUrn(),
            type,
            name,
            timeout: request.getTimeout(),
            secrets: state.secrets,
        };
        await this.run(operation, definition.inputs, async (context) =>
            definition.delete?.(context, request.getId(), state.values),
        );
        return new Empty();
    }

    /** Aborts everything under way. */
    cancel(reason?: Error): Empty {
        this.operations.cancel(reason);
        return new Empty();
    }

    /** Settles when nothing is under way any more. */
    idle(): Promise<void> {
        return this.operations.idle();
    }

    private encodeState(
        values: Values,
        inputs: Pick<Decoded, "secrets"> & { values: Values },
        definition: ResourceDefinition<Client>,
    ): ReturnType<typeof encode> {
        const secrets = outputSecrets(values, inputs.secrets, definition as ResourceDefinition<unknown>);
        return encode(values, secrets, this.acceptSecrets);
    }

    private withState(
        error: unknown,
        inputs: Decoded,
        state: Values,
        definition: ResourceDefinition<Client>,
    ): unknown {
        if (!(error instanceof PartialFailure)) {
            return error;
        }
        const properties = this.encodeState(
            { ...state, ...withoutUndefined(error.outputs) },
            inputs,
            definition,
        );
        const encodedInputs = encode(inputs.values, inputs.secrets, this.acceptSecrets);
        return initFailed(error.id, properties, encodedInputs, error.reasons);
    }

    private run<Result>(
        operation: Omit<Operation, "inputs">,
        inputs: Properties,
        work: (context: Context<Client>) => Promise<Result>,
    ): Promise<Result> {
        return this.operations.run({ ...operation, inputs }, this.client as Client, this.log, work);
    }

    private resource(type: string): ResourceDefinition<Client> {
        const definition = this.definition.resources[type];
        if (!definition) {
            throw this.notCovered("the resource type", type);
        }
        return definition;
    }

    private notCovered(what: string, token: string): Error {
        const { name, version } = this.definition;
        return refusal(
            status.INVALID_ARGUMENT,
            `${what} ${token} is not covered by this stand-in for the ${this.official} plugin; ` +
                `install the official plugin, which covers it: pulumi plugin install resource ${name} ${version}`,
        );
    }

    private checkOptions(what: string): CheckOptions {
        return { what, official: this.official };
    }
}

import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";

import { EngineLog } from "./engine-log";
import { messageOf, refusal } from "./errors";
import { Provider } from "./provider";
import { EngineGone } from "./resource";

import type { PluginAttach } from "@pulumi/pulumi/proto/plugin_pb";
import type { ProviderDefinition } from "./resource";

/** As large as the engine's own limit (sdk/go/common/util/rpcutil). */
const maximumMessage = 400 * 1024 * 1024;

export interface RunningPlugin {
    port: number;
    /** Aborts what is under way, gives it a moment to tidy up, and stops serving. */
    close(reason?: Error): Promise<void>;
}

/** Less than the five seconds that the engine gives a plugin to end. */
const tidyMilliseconds = 4000;

/** Serves the provider on a port of the loopback interface. */
export async function startServer<Client>(
    definition: ProviderDefinition<Client>,
    engineAddress?: string,
): Promise<RunningPlugin> {
    const provider = new Provider(
        definition,
        engineAddress ? EngineLog.connect(engineAddress, grpc) : undefined,
    );
    const server = new grpc.Server({
        "grpc.max_receive_message_length": maximumMessage,
        "grpc.max_send_message_length": maximumMessage,
    });
    server.addService(ResourceProviderService as unknown as grpc.ServiceDefinition, {
        getPluginInfo: unary(() => provider.getPluginInfo()),
        getSchema: unary(() => provider.getSchema()),
        checkConfig: unary((request) => provider.checkConfig(request)),
        diffConfig: unary((request) => provider.diffConfig(request)),
        configure: unary((request) => provider.configure(request)),
        invoke: unary((request) => provider.invoke(request)),
        check: unary((request) => provider.check(request)),
        diff: unary((request) => provider.diff(request)),
        create: unary((request) => provider.create(request)),
        read: unary((request) => provider.read(request)),
        update: unary((request) => provider.update(request)),
        delete: unary((request) => provider.delete(request)),
        cancel: unary(() => provider.cancel()),
        attach: unary((request: PluginAttach) => {
            provider.attach(EngineLog.connect(request.getAddress(), grpc));
            return new Empty();
        }),
    });
    const port = await new Promise<number>((resolve, reject) => {
        server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
            error ? reject(error) : resolve(bound),
        );
    });
    return {
        port,
        close: async (reason) => {
            provider.cancel(reason);
            await Promise.race([
                provider.idle(),
                new Promise((resolve) => setTimeout(resolve, tidyMilliseconds).unref()),
            ]);
            server.forceShutdown();
        },
    };
}

// The protocol's messages are typed where they are used, in Provider.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Handler = (request: any) => unknown;

function unary(handle: Handler): grpc.handleUnaryCall<unknown, unknown> {
    return (call, callback) => {
        Promise.resolve()
            .then(() => handle(call.request))
            .then(
                (response) => callback(null, response),
                (error: unknown) => callback(asServiceError(error)),
            );
    };
}

function asServiceError(error: unknown): grpc.ServiceError {
    if (error instanceof Error && "code" in error && "metadata" in error) {
        return error as grpc.ServiceError;
    }
    if (process.env.GATEHOUSE_PLUGIN_DEBUG && error instanceof Error) {
        console.error(error.stack);
    }
    return refusal(grpc.status.UNKNOWN, messageOf(error));
}

/** What a plugin's `main.ts` calls: `pulumi-resource-<name> <engine address>`, the port as the first line of output. */
export function serve<Client>(definition: ProviderDefinition<Client>): void {
    const engineAddress = process.argv.slice(2).find((argument) => !argument.startsWith("-"));
    process.on("uncaughtException", (error) =>
        console.error(`${definition.name}: ${error.stack ?? error.message}`),
    );
    process.on("unhandledRejection", (reason) => console.error(`${definition.name}: ${messageOf(reason)}`));
    startServer(definition, engineAddress).then(
        (plugin) => {
            process.stdout.write(`${plugin.port}\n`);
            endWithEngine(plugin);
        },
        (error: unknown) => {
            console.error(messageOf(error));
            process.exitCode = 1;
        },
    );
}

/**
 * Ctrl-C does not reach a plugin, which the engine starts in a process group of its own. SIGINT is the engine's way to
 * end it when all is done (ignoring it costs every command five seconds); an engine that is killed just vanishes.
 */
function endWithEngine(plugin: RunningPlugin): void {
    const end = (reason?: Error): void => void plugin.close(reason).finally(() => process.exit(0));
    process.on("SIGINT", () => end());
    process.on("SIGTERM", () => end());
    const parent = process.ppid;
    const watch = setInterval(() => {
        if (process.ppid !== parent) {
            clearInterval(watch);
            end(new EngineGone());
        }
    }, 1000);
    watch.unref();
}

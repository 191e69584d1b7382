import type * as Grpc from "@grpc/grpc-js";

import type { ResourceLog } from "./resource";

type EngineProto = typeof import("@pulumi/pulumi/proto/engine_pb");
type EngineRpc = typeof import("@pulumi/pulumi/proto/engine_grpc_pb");

/** The engine's Log call. Everything is sent in order and `flush` waits for it, so no line comes after its resource. */
export class EngineLog {
    private tail: Promise<void> = Promise.resolve();
    private pending = 0;

    constructor(
        private readonly client: InstanceType<EngineRpc["EngineClient"]>,
        private readonly proto: EngineProto,
    ) {}

    static connect(address: string, grpc: typeof Grpc): EngineLog {
        /* eslint-disable @typescript-eslint/no-require-imports */
        const proto = require("@pulumi/pulumi/proto/engine_pb.js") as EngineProto;
        const rpc = require("@pulumi/pulumi/proto/engine_grpc_pb.js") as EngineRpc;
        /* eslint-enable @typescript-eslint/no-require-imports */
        return new EngineLog(new rpc.EngineClient(address, grpc.credentials.createInsecure()), proto);
    }

    send(
        severity: "DEBUG" | "INFO" | "WARNING" | "ERROR",
        urn: string,
        message: string,
        ephemeral = false,
    ): void {
        // Progress may be dropped when the engine is slow to take it; messages may not.
        if (ephemeral && this.pending > 100) {
            return;
        }
        const request = new this.proto.LogRequest();
        request.setSeverity(this.proto.LogSeverity[severity]);
        request.setUrn(urn);
        request.setMessage(message);
        request.setEphemeral(ephemeral);
        this.pending++;
        this.tail = this.tail.then(
            () =>
                new Promise((resolve) => {
                    this.client.log(request, () => {
                        // An engine that has gone away has no use for the message.
                        this.pending--;
                        resolve();
                    });
                }),
        );
    }

    /** For one resource. */
    forResource(urn: string): ResourceLog {
        return {
            debug: (message) => this.send("DEBUG", urn, message),
            info: (message) => this.send("INFO", urn, message),
            warn: (message) => this.send("WARNING", urn, message),
            error: (message) => this.send("ERROR", urn, message),
            status: (message) => this.send("INFO", urn, message, true),
        };
    }

    async flush(): Promise<void> {
        await this.tail;
    }
}

/** Where there is no engine to log to (the plugin was started by hand or by a test). */
export const silentLog: ResourceLog = {
    debug() {},
    info() {},
    warn() {},
    error() {},
    status() {},
};

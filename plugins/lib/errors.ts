import { Any } from "google-protobuf/google/protobuf/any_pb";
import { Metadata, status } from "@grpc/grpc-js";
import { ErrorResourceInitFailed } from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";

import type { ServiceError } from "@grpc/grpc-js";
import type { Struct } from "google-protobuf/google/protobuf/struct_pb";

/** A refusal that the engine shows as it is. */
export function refusal(code: status, message: string): ServiceError {
    return Object.assign(new Error(message), { code, details: message, metadata: new Metadata() });
}

/** The engine's way to learn that an object exists although its operation failed: it records it with the reasons. */
export function initFailed(id: string, properties: Struct, inputs: Struct, reasons: string[]): ServiceError {
    const detail = new ErrorResourceInitFailed();
    detail.setId(id);
    detail.setProperties(properties);
    detail.setInputs(inputs);
    detail.setReasonsList(reasons);
    const any = new Any();
    any.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
    const message = reasons.join("\n");
    const rpcStatus = new Status();
    rpcStatus.setCode(status.UNKNOWN);
    rpcStatus.setMessage(message);
    rpcStatus.addDetails(any);
    const error = refusal(status.UNKNOWN, message);
    error.metadata.add("grpc-status-details-bin", Buffer.from(rpcStatus.serializeBinary()));
    return error;
}

/** What to show of anything thrown. */
export function messageOf(error: unknown): string {
    if (error instanceof AggregateError && error.errors.length > 0) {
        return error.errors.map(messageOf).join("; ");
    }
    return error instanceof Error ? error.message || error.name : String(error);
}

/** Everything that a stand-in provider is written with. */
export * from "./schema";
export { Cancelled, EngineGone, PartialFailure, resource } from "./resource";
export type {
    Context,
    CreateResult,
    FunctionDefinition,
    ProviderDefinition,
    ReadResult,
    ResourceDefinition,
    ResourceLog,
} from "./resource";
export type { Change } from "./diff";
export type { Failure } from "./check";
export { UNKNOWN, equal, hasUnknown, isObject } from "./values";
export type { Values } from "./values";
export { messageOf } from "./errors";
export { orAborted, pause } from "./wait";
export { serve, startServer } from "./serve";

import type * as pulumi from "@pulumi/pulumi";

import { DockerSubstrate, type DockerSubstrateArgs } from "./docker";
import { LinodeSubstrate, type LinodeSubstrateArgs } from "./linode/substrate";
import type { Substrate } from "./machine";

/** A substrate's kind with what that kind needs to know. */
export type SubstrateArgs =
    ({ kind: "docker" } & DockerSubstrateArgs) | ({ kind: "linode" } & LinodeSubstrateArgs);

/** The one place that knows which substrates there are. */
export function createSubstrate(
    name: string,
    args: SubstrateArgs,
    opts?: pulumi.ComponentResourceOptions,
): Substrate {
    switch (args.kind) {
        case "docker":
            return new DockerSubstrate(name, args, opts);
        case "linode":
            return new LinodeSubstrate(name, args, opts);
    }
}

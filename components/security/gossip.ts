import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

import { countProblem, refuseArguments } from "./arguments";

/** The longest key that Serf takes, and so AES-256 (developer.hashicorp.com/consul/docs/secure/encryption/gossip). */
const keyBytes = 32;

/**
 * A key with which the agents of one cluster encrypt their gossip, in base64 as Consul and Nomad read it. Consul and
 * Nomad get one each. It is secret.
 *
 * @param rotation a number from 1 up; another one is another key. Running agents have to take that into their keyrings
 *     before they give up the old one (`serverGossip`): in their configuration alone, it would cut off each agent that
 *     starts for the first time from those that run.
 */
export function gossipKey(
    name: string,
    rotation: number,
    opts?: pulumi.CustomResourceOptions,
): pulumi.Output<string> {
    refuseArguments(`the gossip key ${name}`, countProblem("rotation", rotation));
    // By name: the old key stays in the state until the update that replaces it is through.
    const generation = rotation === 1 ? name : `${name}-generation-${rotation}`;
    return pulumi.secret(new random.RandomBytes(generation, { length: keyBytes }, opts).base64);
}

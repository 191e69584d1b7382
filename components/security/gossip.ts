import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

/** The longest key that Serf takes, and so AES-256 (developer.hashicorp.com/consul/docs/secure/encryption/gossip). */
const keyBytes = 32;

/**
 * A key with which the agents of one cluster encrypt their gossip, in base64 as Consul and Nomad read it. Consul and
 * Nomad get one each. It is secret.
 *
 * @param opts `replacementTrigger`: another value makes another key. Running agents have to take that into their
 * keyrings before they give up the old one (`gossipKeyring` for Consul; `nomad operator gossip keyring`): in their
 * configuration alone, it would cut off each agent that is restarted from those that are not. Default: none.
 */
export function gossipKey(name: string, opts?: pulumi.CustomResourceOptions): pulumi.Output<string> {
    return pulumi.secret(new random.RandomBytes(name, { length: keyBytes }, opts).base64);
}

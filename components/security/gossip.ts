import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

/** The longest key that Serf takes, and so AES-256 (developer.hashicorp.com/consul/docs/secure/encryption/gossip). */
const keyBytes = 32;

/**
 * A key with which the agents of one cluster encrypt their gossip, in base64 as Consul and Nomad read it. Consul and
 * Nomad get one each. It is secret, and nothing replaces it.
 *
 * Another name is another key. A running cluster takes a new key into its keyring before it gives up the old one
 * (`consul keyring`, `nomad operator gossip keyring`): with the new key alone, an agent would be cut off
 * from those that have the old one. So rotation needs both for a while: two calls.
 */
export function gossipKey(name: string, opts?: pulumi.CustomResourceOptions): pulumi.Output<string> {
    return pulumi.secret(new random.RandomBytes(name, { length: keyBytes }, opts).base64);
}

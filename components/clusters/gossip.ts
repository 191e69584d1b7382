import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

import type { Machine } from "../machines/machine";
import { ports } from "../security/ports";
import { onMachine, scriptProgram } from "./node-script";
import { nomadCaFile } from "./nomad-configuration";

/** A cluster's key, and who may change it there. All secret. */
interface ClusterKey {
    /** 32 bytes in base64. */
    key: string;
}

export interface GossipKeys {
    /** `management`: secret ids of management tokens, in the order in which they are tried. Default: no Consul. */
    consul?: ClusterKey & { management: string[] };
    /** `management`: secret id of a management token. Default: no Nomad. */
    nomad?: ClusterKey & { management: string };
}

/** For tests; the defaults are what is so on every machine. */
export interface KeyringParameters {
    /** A server's API, and the file in which the agent keeps its keys once it has started. */
    consul?: { api: string; keyring: string };
    nomad?: { api: string; keyring: string; ca: string };
    /** Seconds for which each cluster may keep it waiting. Default: 60. */
    timeout?: number;
}

/** In the agents' data folders: `serf/local.keyring` is Consul's, `server/serf.keyring` Nomad's own name for it. */
const onEveryMachine = {
    consul: {
        api: `http://127.0.0.1:${ports.consulHttp.from}`,
        keyring: "/var/lib/consul/serf/local.keyring",
    },
    nomad: {
        api: `https://127.0.0.1:${ports.nomadHttp.from}`,
        keyring: "/var/lib/nomad/server/serf.keyring",
        ca: nomadCaFile,
    },
};

/**
 * A command, and its input, for a server: after it all agents of its clusters encrypt gossip with these keys and know
 * no other. It needs no restart and does nothing when that is so already, nor on a machine whose agents have never run.
 * It fails while an agent is away that would not get the key, unless that one's machine is being replaced. It prints
 * what it did; the secrets are in the input alone. Pure.
 */
export function gossipKeyrings(
    keys: GossipKeys,
    parameters: KeyringParameters = {},
): { create: string; stdin: string } {
    const { timeout = 60 } = parameters;
    return scriptProgram(
        ["acl.py", "nomad_api.py", "consul_keyring.py", "nomad_keyring.py", "keyrings.py"],
        {
            timeout,
            ...(keys.consul && { consul: parameters.consul ?? onEveryMachine.consul }),
            ...(keys.nomad && { nomad: parameters.nomad ?? onEveryMachine.nomad }),
        },
        "main",
        keys,
        "Gossip",
    );
}

export interface ServerGossipArgs {
    /** The server. */
    machine: Machine;
    keys: pulumi.Input<GossipKeys>;
}

/**
 * Brings a server's clusters to their gossip keys. It belongs before the server's configuration, on every server: each
 * of them can do it for all, and the one that is not replaced in this update does. Nobody waits for another's: a machine
 * that is new tries to join until the cluster uses the key that it starts with.
 */
export function serverGossip(
    name: string,
    { machine, keys }: ServerGossipArgs,
    opts: pulumi.CustomResourceOptions,
): command.remote.Command {
    const input = pulumi.output(keys).apply((known) => gossipKeyrings(known as GossipKeys));
    return new command.remote.Command(
        name,
        {
            ...onMachine(machine),
            // The command holds no secret, but comes with one.
            create: pulumi.unsecret(input.create),
            stdin: pulumi.secret(input.stdin),
            // To wait for a machine that boots is no reason to run again.
            triggers: [machine.instanceId, machine.ready.apply(() => "ready")],
        },
        opts,
    );
}

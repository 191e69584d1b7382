import * as pulumi from "@pulumi/pulumi";

import { ports } from "../security/ports";
import { nomadWorkloads } from "./consul-acl";
import { isServer, type NodeAddress } from "./node";
import type { NodeConfiguration, NodeFile } from "./node-files";
import {
    nomadAgent,
    type NomadAgentArgs,
    type NomadClientArgs,
    nomadFolder,
    nomadPeers,
    nomadService,
    nomadUnit,
} from "./nomad-agent";

export interface SecureNomadArgs extends NomadAgentArgs {
    /** The machine that the files are for: a server if it is among `servers`, else a client. Never both. */
    node: NodeAddress;
    /** The node pool of a client. Default: Nomad's own, `default`. Not for servers. */
    pool?: string;
    /** What a client runs tasks with. Not for servers. */
    client?: NomadClientArgs;
    /**
     * The certificates (PEM) of the authorities that agents believe; they sign certificates of Nomad agents and nothing
     * else. While one takes over from another the text holds both.
     */
    caPem: string;
    /**
     * The agent's certificate (PEM): for `server.<region>.nomad` or `client.<region>.nomad`, and always for `localhost`
     * and 127.0.0.1. It is shown to clients and servers alike, so it needs both usages.
     */
    certificate: { certPem: string; keyPem: string };
    /**
     * 32 random bytes in base64 with which servers' gossip is encrypted. Servers only: clients do not gossip, and who
     * has no key cannot pose as a server. Read on an agent's first start only: then it has a keyring of its own, which
     * `gossipKeyrings` (gossip.ts) changes while all agents run.
     */
    gossipKey?: string;
    /** Secret id of the agent's own Consul token. Jobs never get it: they have an identity of their own. */
    consulToken: string;
}

/** The authority of Nomad's certificates, for whoever asks the agent on its machine. */
export const nomadCaFile = `${nomadFolder}/tls/ca.pem`;

/** While it exists, a client that is stopped drains first. Gone after a reboot. */
export const leaveMark = "/run/gatehouse-nomad-leave";

/** How long a client that leaves may take to hand its allocations over, in seconds. */
const drainDeadline = 60;

/** Nomad waits 5 seconds longer than the deadline; systemd 10 more, so that it never cuts a drain short. */
const stopTimeout = drainDeadline + 15;

/**
 * A Nomad agent that trusts nobody without a certificate or a token: what a machine with `nomad.service` needs to be a
 * server or a client. Pure.
 *
 * | file | what a change of it takes |
 * |---|---|
 * | `/etc/nomad.d/nomad.json` | a restart |
 * | `/etc/nomad.d/peers.json` | nothing: it matters to an agent that starts, so more or fewer servers restart nobody |
 * | `/etc/nomad.d/gossip.json` | nothing: see `gossipKey` |
 * | `/etc/nomad.d/consul.json` | a restart |
 * | `/etc/nomad.d/tls/*.pem` | a reload: SIGHUP reads certificates anew, and the log level, but no more |
 * | `/etc/systemd/system/nomad.service.d/leave.conf` | nothing of the agent; systemd has to read it again |
 *
 * Tasks go on while the agent restarts: the unit stops the agent alone, with SIGINT, which neither drains nor leaves.
 *
 * @throws pulumi.InputPropertiesError with everything that is wrong with the arguments.
 */
export function secureNomad(args: SecureNomadArgs): NodeConfiguration {
    refuse(args);
    const server = isServer(args.node, args.servers);
    const { certPem, keyPem } = args.certificate;
    return {
        files: [
            file("nomad.json", "0644", json(secureAgent(args, server)), "restart"),
            file("peers.json", "0644", json(nomadPeers(args))),
            ...(server ? [file("gossip.json", "0600", json({ server: { encrypt: args.gossipKey } }))] : []),
            file("consul.json", "0600", json({ consul: { token: args.consulToken } }), "restart"),
            file("tls/ca.pem", "0644", args.caPem, "reload"),
            file("tls/agent.pem", "0644", certPem, "reload"),
            file("tls/agent-key.pem", "0600", keyPem, "reload"),
            ...(server ? [] : [leave]),
        ],
        units: [
            nomadService(
                args,
                `https://127.0.0.1:${ports.nomadHttp.from}/v1/agent/health?type=${server ? "server" : "client"}`,
                ["--cacert", nomadCaFile],
            ),
        ],
    };
}

/** It adds to what every agent is told. Without secrets. */
function secureAgent(args: SecureNomadArgs, server: boolean): object {
    const { address } = args.node;
    const open = nomadAgent(args);
    return {
        ...open,
        // RPC and gossip are for the peers alone; both ask for a certificate or a key.
        bind_addr: address,
        /*
         * Servers answer each other and the clients by RPC; logs, files and exec of an allocation are forwarded that
         * way, too. Who asks a server by HTTP is on the same machine: the operators' proxy, Consul's checks, and Consul's
         * servers, which fetch the keys of workload identities. Clients ask each other by HTTP for one thing only: the
         * data of a group with `ephemeral_disk { migrate = true }`, for which the servers hand out a token.
         */
        addresses: { http: server ? "127.0.0.1" : `127.0.0.1 ${address}` },
        advertise: { ...open.advertise, http: server ? "127.0.0.1" : address },
        // A restart comes by SIGINT, which is no farewell. SIGTERM is one: a client drains (see `leave`), a server tells
        // its peers (files/presence.py).
        leave_on_terminate: true,
        acl: { enabled: true },
        tls: {
            http: true,
            rpc: true,
            ca_file: nomadCaFile,
            cert_file: `${nomadFolder}/tls/agent.pem`,
            key_file: `${nomadFolder}/tls/agent-key.pem`,
            // A client's certificate is not good for Raft, nor for what one server asks of another.
            verify_server_hostname: true,
            // Browsers (the UI) and Consul (the keys of identities) have no certificate of this authority. What they
            // may do is the ACLs' business.
            verify_https_client: false,
        },
        consul: {
            ...open.consul,
            // Jobs carry no token: servers sign an identity for each service and task, and clients log in with it.
            service_identity: { aud: [nomadWorkloads.audience], ttl: "1h" },
            task_identity: { aud: [nomadWorkloads.audience], ttl: "1h" },
            service_auth_method: nomadWorkloads.authMethod,
            task_auth_method: nomadWorkloads.authMethod,
        },
        // The operators' proxy is one address for many browsers, each with several long polls. Default: 100.
        limits: { http_max_conns_per_client: 500 },
        ...(open.client ? { client: nomadClient(args, open.client) } : {}),
    };
}

function nomadClient<Open extends object>({ pool }: SecureNomadArgs, open: Open): object {
    return {
        ...open,
        ...(pool ? { node_pool: pool } : {}),
        drain_on_shutdown: { deadline: `${drainDeadline}s`, force: false, ignore_system_jobs: false },
        // Nomad's defaults, said because security depends on them: a template reads no file outside its task's folder,
        // and runs, writes and includes nothing.
        template: {
            disable_file_sandbox: false,
            function_denylist: ["executeTemplate", "plugin", "writeToFile"],
        },
    };
}

/**
 * A restart or a reboot must not drain: the node would stay ineligible afterwards. So the unit stops the agent with
 * SIGINT, and only a client that is marked as leaving gets SIGTERM first.
 */
const leave: NodeFile = {
    path: "/etc/systemd/system/nomad.service.d/leave.conf",
    mode: "0644",
    owner: "root:root",
    content: `[Service]
# To leave for good: touch ${leaveMark} && systemctl stop nomad
# Allocations move to other clients first. The node stays ineligible, should it come back.
ExecStop=/bin/sh -c 'test ! -e ${leaveMark} || { kill -TERM "$MAINPID" && tail --pid="$MAINPID" -f /dev/null; }'
TimeoutStopSec=${stopTimeout}
`,
};

function file(
    name: string,
    mode: NodeFile["mode"],
    content: string,
    change?: "reload" | "restart",
): NodeFile {
    // Nomad runs as root.
    return {
        path: `${nomadFolder}/${name}`,
        content,
        mode,
        owner: "root:root",
        ...(change ? { unit: { name: nomadUnit, change } } : {}),
    };
}

/** Never with a secret in the message. */
function refuse(args: SecureNomadArgs): void {
    const server = isServer(args.node, args.servers);
    const errors: pulumi.InputPropertyErrorDetails[] = [];
    const refuseWhen = (wrong: boolean, propertyPath: string, reason: string): void => {
        if (wrong) {
            errors.push({ propertyPath, reason });
        }
    };
    refuseWhen(args.servers.length === 0, "servers", "a cluster needs at least one server");
    refuseWhen(
        server && args.client !== undefined,
        "client",
        "a server runs no jobs here; leave it out, or use a machine that is not among the servers",
    );
    refuseWhen(server && args.pool !== undefined, "pool", "node pools are for clients; leave it out");
    refuseWhen(
        !server && args.client === undefined,
        "client",
        "missing: a machine that is not among the servers is a client",
    );
    refuseWhen(!args.caPem.includes("BEGIN CERTIFICATE"), "caPem", "is no certificate in PEM");
    refuseWhen(
        server && Buffer.from(args.gossipKey ?? "", "base64").length !== 32,
        "gossipKey",
        "must be 32 bytes in base64, e.g. a RandomBytes with length 32",
    );
    refuseWhen(
        !server && args.gossipKey !== undefined,
        "gossipKey",
        "must not be on a client, which does not gossip; leave it out",
    );
    refuseWhen(!uuid.test(args.consulToken), "consulToken", "must be a UUID, e.g. a RandomUuid");
    if (errors.length > 0) {
        const reasons = errors.map(({ propertyPath, reason }) => `${propertyPath}: ${reason}`).join("; ");
        throw new pulumi.InputPropertiesError({ message: `Nomad on ${args.node.name}: ${reasons}`, errors });
    }
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function json(value: object): string {
    return `${JSON.stringify(value, undefined, 2)}\n`;
}

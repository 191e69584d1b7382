import { type ArgumentProblem, refuseArguments } from "../security/arguments";
import {
    consulAgent,
    type ConsulAgentArgs,
    consulFolder,
    consulPeers,
    consulService,
    consulUnit,
} from "./consul-agent";
import { isServer } from "./node";
import type { NodeConfiguration, NodeFile } from "./node-files";

export interface SecureConsulArgs extends ConsulAgentArgs {
    /**
     * The certificates (PEM) of the authorities that agents believe. While one authority takes over from another the
     * text holds both: first everybody believes both, then certificates of the new one are given out.
     */
    caPem: string;
    /**
     * A server's own certificate and key (PEM), for `server.<datacenter>.consul`, that is good for servers and for
     * clients. Clients have none here: they fetch theirs from a server, with their agent token (auto_encrypt).
     */
    certificate?: { certPem: string; keyPem: string };
    /**
     * 32 bytes in base64 with which gossip is encrypted. Read on an agent's first start only: then the agent has a
     * keyring of its own, which `gossipKeyrings` (gossip.ts) changes while all agents run.
     */
    gossipKey: string;
    tokens: {
        /** Secret id of the token with which the agent keeps its own node in the catalogue: a node identity. */
        agent: string;
        /** Secret id of the token with which DNS questions are answered; requests without a token do not get it. */
        dns: string;
        /** Secret id of the first management token; servers only. Servers make it when the cluster forms. */
        initialManagement?: string;
    };
}

/**
 * A Consul agent that trusts nobody without a certificate, a gossip key and a token. Pure.
 *
 * | file in /etc/consul.d | what a change of it takes |
 * |---|---|
 * | `consul.json` | a restart |
 * | `peers.json` | nothing: it matters to an agent that starts, so more or fewer servers restart nobody |
 * | `gossip.json` | nothing: see `gossipKey` |
 * | `tokens.json` | a reload |
 * | `tls/*.pem` | a reload |
 *
 * The agents' API is plain HTTP on loopback alone: whoever wants it from elsewhere goes through a proxy with TLS.
 *
 * @throws pulumi.InputPropertiesError with everything that is wrong with the arguments.
 */
export function secureConsul(args: SecureConsulArgs): NodeConfiguration {
    refuse(args);
    const { certificate } = args;
    return {
        files: [
            file("consul.json", json(secureAgent(args)), "restart"),
            file("peers.json", json(consulPeers(args))),
            file("gossip.json", json({ encrypt: args.gossipKey })),
            file("tokens.json", json(consulTokens(args)), "reload"),
            file("tls/ca.pem", args.caPem, "reload"),
            ...(certificate
                ? [
                      file("tls/agent.pem", certificate.certPem, "reload"),
                      file("tls/agent-key.pem", certificate.keyPem, "reload"),
                  ]
                : []),
        ],
        units: [consulService(args)],
    };
}

/** It adds to what every agent is told. */
function secureAgent(args: SecureConsulArgs): object {
    const server = isServer(args.node, args.servers);
    return {
        ...consulAgent(args),
        client_addr: "127.0.0.1",
        tls: {
            defaults: {
                ca_file: `${consulFolder}/tls/ca.pem`,
                ...(server
                    ? {
                          cert_file: `${consulFolder}/tls/agent.pem`,
                          key_file: `${consulFolder}/tls/agent-key.pem`,
                      }
                    : {}),
                verify_incoming: true,
                verify_outgoing: true,
                tls_min_version: "TLSv1_3",
            },
            // Without it any certificate of the authority, a client's included, could pose as a server.
            internal_rpc: { verify_server_hostname: true },
        },
        auto_encrypt: server ? { allow_tls: true } : { tls: true },
        encrypt_verify_incoming: true,
        encrypt_verify_outgoing: true,
        acl: {
            enabled: true,
            default_policy: "deny",
            // While no server answers, what was allowed stays allowed: names resolve through an election.
            down_policy: "extend-cache",
            // Tokens come from the file alone, so that a new file is the new truth.
            enable_token_persistence: false,
        },
        // Names of other domains are dnsmasq's, which asks this agent for Consul's alone.
        recursors: [],
    };
}

function consulTokens({ tokens }: SecureConsulArgs): object {
    return {
        acl: {
            tokens: {
                agent: tokens.agent,
                dns: tokens.dns,
                ...(tokens.initialManagement ? { initial_management: tokens.initialManagement } : {}),
            },
        },
    };
}

function file(name: string, content: string, change?: "reload" | "restart"): NodeFile {
    return {
        path: `${consulFolder}/${name}`,
        content,
        mode: "0640",
        owner: "root:consul",
        ...(change ? { unit: { name: consulUnit, change } } : {}),
    };
}

function json(value: object): string {
    return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** Never with a secret in the message. */
function refuse(args: SecureConsulArgs): void {
    const server = isServer(args.node, args.servers);
    const problems: ArgumentProblem[] = [];
    const refuseWhen = (wrong: boolean, propertyPath: string, reason: string): void => {
        if (wrong) {
            problems.push({ propertyPath, reason });
        }
    };
    refuseWhen(args.servers.length === 0, "servers", "a cluster needs at least one server");
    refuseWhen(!args.caPem.includes("BEGIN CERTIFICATE"), "caPem", "is no certificate in PEM");
    refuseWhen(
        Buffer.from(args.gossipKey, "base64").length !== 32,
        "gossipKey",
        "must be 32 bytes in base64, e.g. a RandomBytes with length 32",
    );
    for (const [name, secret] of Object.entries(args.tokens)) {
        refuseWhen(
            secret !== undefined && !uuid.test(secret),
            `tokens.${name}`,
            "must be a UUID in lower case",
        );
    }
    refuseWhen(server && !args.certificate, "certificate", "a server needs its own");
    refuseWhen(
        !server && args.certificate !== undefined,
        "certificate",
        "a client gets its own from a server; leave it out",
    );
    refuseWhen(
        server && !args.tokens.initialManagement,
        "tokens.initialManagement",
        "servers make the first management token",
    );
    refuseWhen(
        !server && args.tokens.initialManagement !== undefined,
        "tokens.initialManagement",
        "must not be on a client; leave it out",
    );
    refuseArguments(`Consul on ${args.node.name}`, problems);
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

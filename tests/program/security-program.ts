import * as pulumi from "@pulumi/pulumi";

import { gossipKey } from "../../components/security/gossip";
import {
    CertificateAuthority,
    type Certificate,
    type CertificateAuthorityArgs,
} from "../../components/security/pki";
import { ClusterTokens } from "../../components/security/tokens";

export interface SecuritySettings {
    nodes: string[];
    /** Of the leaves. Default 1. */
    rotation?: number;
    /** Default 1. */
    tokenRotation?: number;
    /** Default 1. */
    gossipRotation?: number;
    /** Beside the common name. */
    ca?: Omit<CertificateAuthorityArgs, "commonName">;
}

/** What a node needs to speak TLS, or to refuse to. */
export interface Identity {
    certPem: string;
    keyPem: string;
    bundlePem: string;
}

/** All that a cluster's components of secrets make, as a program: one CA's nodes, and strangers from another CA. */
export function securityProgram(settings: SecuritySettings): Record<string, unknown> {
    const { nodes, rotation = 1, tokenRotation, gossipRotation = 1 } = settings;
    const lifetimes = { lifetimeDays: 365, earlyRenewalDays: 30, rotation };
    const ca = new CertificateAuthority("consul-ca", { commonName: "Gatehouse Consul CA", ...settings.ca });
    const other = new CertificateAuthority("nomad-ca", { commonName: "Gatehouse Nomad CA" });
    const identity = (from: CertificateAuthority, { certPem, keyPem }: Certificate) => ({
        certPem,
        keyPem,
        bundlePem: from.bundlePem,
    });
    const peers = nodes.map((node) => {
        const certificate = ca.issue(node, {
            ...lifetimes,
            commonName: `${node}.server.dc1.consul`,
            dnsNames: ["server.dc1.consul", `${node}.server.dc1.consul`, "localhost"],
            ipAddresses: ["127.0.0.1"],
            usages: ["server", "client"],
        });
        return [node, identity(ca, certificate)] as const;
    });
    const endpoint = ca.issue("endpoint", {
        ...lifetimes,
        commonName: "endpoint",
        dnsNames: ["server.dc1.consul"],
        usages: ["server"],
    });
    const operator = ca.issue("operator", {
        ...lifetimes,
        commonName: "operator",
        dnsNames: [],
        usages: ["client"],
    });
    const stranger = other.issue("stranger", {
        ...lifetimes,
        commonName: "stranger",
        dnsNames: ["server.dc1.consul"],
        ipAddresses: [pulumi.output("127.0.0.1")],
        usages: ["server", "client"],
    });
    const tokens = new ClusterTokens("tokens", { nodes, rotation: tokenRotation });
    const agents = Object.entries(tokens.agents).map(([node, token]) => [`agent-${node}`, token]);
    return {
        caPem: ca.certPem,
        bundlePem: ca.bundlePem,
        expires: operator.expires,
        identities: {
            ...Object.fromEntries(peers),
            endpoint: identity(ca, endpoint),
            operator: identity(ca, operator),
            stranger: identity(other, stranger),
        },
        gossip: {
            consul: gossipKey("consul-gossip", gossipRotation),
            nomad: gossipKey("nomad-gossip", 1),
        },
        lastingTokens: {
            "consul-management": tokens.consulManagement,
            "nomad-management": tokens.nomadManagement,
        },
        tokens: {
            operator: tokens.operator,
            "nomad-server": tokens.nomadServer,
            "nomad-client": tokens.nomadClient,
            balancer: tokens.balancer,
            dns: tokens.dns,
            roll: tokens.roll,
            snapshot: tokens.snapshot,
            ...Object.fromEntries(agents),
        },
        generations: tokens.generations,
    };
}

/** The program's outputs, settled. */
export interface SecurityOutputs {
    caPem: string;
    bundlePem: string;
    expires: string;
    identities: Record<string, Identity>;
    gossip: Record<"consul" | "nomad", string>;
    lastingTokens: Record<string, string>;
    tokens: Record<string, string>;
    generations: pulumi.Unwrap<ClusterTokens["generations"]>;
}

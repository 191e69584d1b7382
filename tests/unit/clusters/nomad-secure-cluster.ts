import { randomBytes, randomUUID } from "node:crypto";

import { isServer, type NodeAddress } from "../../../components/clusters/node";
import { nomadBootstrap } from "../../../components/clusters/nomad-acl";
import { secureNomad, type SecureNomadArgs } from "../../../components/clusters/nomad-configuration";
import type { CommandResult } from "../../support/command";
import { type Identity, Pki } from "../plugins/tls/pki";
import { NomadMember } from "./nomad-secure-member";
import { authority, ecdsa, localOf, overSsh } from "./secure-consul";

/** What a client runs tasks with; no container is started here. */
export const containers = { sidecarImage: "envoy", infraImage: "pause" };

/** A job as users write it: no token, no identity. */
export function job(id: string) {
    return {
        Job: {
            ID: id,
            Datacenters: ["dc1"],
            TaskGroups: [
                {
                    Name: "web",
                    Networks: [{ Mode: "host", DynamicPorts: [{ Label: "http" }] }],
                    Services: [{ Name: id, PortLabel: "http", Provider: "consul", Tags: ["routed"] }],
                    Tasks: [
                        {
                            Name: "web",
                            Driver: "raw_exec",
                            Config: { command: "/bin/sleep", args: ["3600"] },
                            Resources: { CPU: 20, MemoryMB: 10 },
                            Consul: {},
                            Templates: [
                                {
                                    EmbeddedTmpl: "{{ range services }}{{ .Name }} {{ end }}",
                                    DestPath: "local/catalogue",
                                    ChangeMode: "noop",
                                },
                            ],
                        },
                    ],
                },
            ],
        },
    };
}

/** Secrets and members of a cluster under test; members are at .11 and on, and what they offer to themselves at .111. */
export class NomadUnderTest {
    readonly gossipKey = randomBytes(32).toString("base64");
    /** The secret of the management token. */
    readonly management = randomUUID();
    readonly servers: NodeAddress[];
    private readonly running: NomadMember[] = [];

    private constructor(
        readonly subnet: string,
        serverCount: number,
        readonly pki: Pki,
        readonly ca: Identity,
        /** Consul's loopback address, for all members. */
        private readonly consul: string,
    ) {
        this.servers = Array.from({ length: serverCount }, (_, index) => this.node("server", index + 1));
    }

    static async create(subnet: string, serverCount: number, consul = "127.0.0.1"): Promise<NomadUnderTest> {
        const pki = await Pki.start();
        return new NomadUnderTest(subnet, serverCount, pki, await authority(pki), consul);
    }

    node(role: "server" | "client", index: number): NodeAddress {
        return {
            name: `${role}-${index}`,
            address: `${this.subnet}.${(role === "server" ? 10 : 20) + index}`,
        };
    }

    async certificate(
        node: NodeAddress,
        role: "server" | "client",
        ca = this.ca,
    ): Promise<{ certPem: string; keyPem: string }> {
        const { cert, key } = await this.pki.sign(ca, await this.pki.key(ecdsa), {
            subject: { commonName: `${role}.global.nomad` },
            dnsNames: [`${role}.global.nomad`, "localhost"],
            ipAddresses: ["127.0.0.1", localOf(node), node.address],
        });
        return { certPem: cert, keyPem: key };
    }

    async args(node: NodeAddress, overrides: Partial<SecureNomadArgs> = {}): Promise<SecureNomadArgs> {
        const server = isServer(node, overrides.servers ?? this.servers);
        return {
            datacenter: "dc1",
            node,
            servers: this.servers,
            caPem: this.ca.cert,
            certificate: await this.certificate(node, server ? "server" : "client"),
            consulToken: randomUUID(),
            ...(server ? { gossipKey: this.gossipKey } : { client: containers, networkInterface: "lo" }),
            ...overrides,
        };
    }

    /** An agent with exactly the files of a machine; it need not be ready yet. */
    async launch(node: NodeAddress, overrides: Partial<SecureNomadArgs> = {}): Promise<NomadMember> {
        const member = new NomadMember(node, secureNomad(await this.args(node, overrides)), this.consul);
        this.running.push(member);
        member.start();
        return member;
    }

    async start(node: NodeAddress, overrides: Partial<SecureNomadArgs> = {}): Promise<NomadMember> {
        const member = await this.launch(node, overrides);
        await member.ready();
        return member;
    }

    /** Makes the management token known, as the program does on a machine. */
    bootstrap(member: NomadMember, secret: string = this.management): Promise<CommandResult> {
        return overSsh(nomadBootstrap(secret, member.parameters(20)));
    }

    /** Clients first: they hand over what they run to nobody, which takes a server. */
    async close(): Promise<void> {
        const servers = new Set(this.servers.map(({ name }) => name));
        const last = (member: NomadMember): number => Number(servers.has(member.node.name));
        for (const member of [...this.running].sort((a, b) => last(a) - last(b))) {
            await member.end("SIGINT");
            member.forget();
        }
        this.pki.close();
    }
}

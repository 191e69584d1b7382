import * as assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { consulAcl, consulAclCommand, type ConsulAclArgs } from "../../../components/clusters/consul-acl";
import { consulPolicies } from "../../../components/clusters/consul-policies";
import { secureConsul, type SecureConsulArgs } from "../../../components/clusters/consul-configuration";
import { isServer, type NodeAddress } from "../../../components/clusters/node";
import type { NodeConfiguration } from "../../../components/clusters/node-files";
import { type Agent, launch } from "../../support/agents";
import { type CommandResult, run } from "../../support/command";
import { type Identity, Pki } from "../plugins/tls/pki";
import { identityProvider, type IdentityProvider } from "./secure-identities";

/** Secrets and members of a cluster under test; every member has an address of its own on loopback. */
export class SecureConsul {
    gossipKey = randomBytes(32).toString("base64");
    readonly management = randomUUID();
    readonly dns = randomUUID();
    readonly agents: Record<string, string>;

    private constructor(
        readonly pki: Pki,
        /** Signs what comes next. */
        public ca: Identity,
        readonly servers: NodeAddress[],
        readonly clients: NodeAddress[],
    ) {
        this.agents = Object.fromEntries(this.nodes.map(({ name }) => [name, randomUUID()]));
    }

    /** `subnet` is three bytes, e.g. `127.0.40`: members are at .11 and on, and what they offer to themselves at .111. */
    static async create(subnet: string, serverCount: number, clientCount: number): Promise<SecureConsul> {
        const pki = await Pki.start();
        const node = (name: string, index: number): NodeAddress => ({
            name: `${name}-${index}`,
            address: `${subnet}.${(name === "server" ? 10 : 20) + index}`,
        });
        const some = (name: string, count: number): NodeAddress[] =>
            Array.from({ length: count }, (_, index) => node(name, index + 1));
        return new SecureConsul(
            pki,
            await authority(pki),
            some("server", serverCount),
            some("client", clientCount),
        );
    }

    close(): void {
        this.pki.close();
    }

    get nodes(): NodeAddress[] {
        return [...this.servers, ...this.clients];
    }

    node(name: string): NodeAddress {
        return this.nodes.find((each) => each.name === name)!;
    }

    /** A server's certificate and key. */
    async certificate(
        node: NodeAddress,
        {
            ca = this.ca,
            names = ["server.dc1.consul", `${node.name}.server.dc1.consul`, "localhost"],
            address = "127.0.0.1",
        } = {},
    ): Promise<{ certPem: string; keyPem: string }> {
        const { cert, key } = await this.pki.sign(ca, await this.pki.key(ecdsa), {
            subject: { commonName: names[0] },
            dnsNames: names,
            ipAddresses: [address],
        });
        return { certPem: cert, keyPem: key };
    }

    async args(node: NodeAddress, overrides: Partial<SecureConsulArgs> = {}): Promise<SecureConsulArgs> {
        const server = isServer(node, overrides.servers ?? this.servers);
        return {
            datacenter: "dc1",
            node,
            servers: this.servers,
            caPem: this.ca.cert,
            ...(server ? { certificate: await this.certificate(node) } : {}),
            gossipKey: this.gossipKey,
            tokens: {
                agent: this.agents[node.name] ?? randomUUID(),
                dns: this.dns,
                ...(server ? { initialManagement: this.management } : {}),
            },
            logLevel: "DEBUG",
            ...overrides,
        };
    }

    /** An agent with exactly the files of a machine, in a folder of its own. */
    async start(
        node: NodeAddress,
        overrides: Partial<SecureConsulArgs> = {},
        ready?: (member: Member) => Promise<void>,
    ): Promise<Member> {
        const configuration = secureConsul(await this.args(node, overrides));
        let folder = "";
        const inFolder = (): string => folder;
        const member: Member = {
            node,
            api: apiOf(node),
            get folder() {
                return inFolder();
            },
            log: () => readFileSync(join(folder, "log"), "utf8"),
            put: (changed) => putFiles(changed, node, folder),
            check: () => command(configuration.units[0]!.check!, node, folder),
            healthy: () => command(configuration.units[0]!.healthy!, node, folder),
            ask: (path, options = {}) => ask(apiOf(node) + path, { token: this.management, ...options }),
            restart: () => agent.restart(),
            stop: () => agent.stop(),
        };
        const agent: Agent = await launch(
            "consul",
            {},
            member.api,
            (made) => {
                folder = made;
                putFiles(configuration, node, folder);
                return ["agent", "-config-dir", join(folder, "consul.d")];
            },
            async () => {
                if (ready) {
                    return ready(member);
                }
                const { code, output } = await member.healthy();
                if (code !== 0) {
                    throw new Error(output);
                }
            },
        );
        return member;
    }

    /** All tokens of a lab, with new secrets but for the agents', `dns` and management; and who signs identities. */
    aclArgs(jwksUrl: string): ConsulAclArgs {
        const policies = Object.keys(consulPolicies).filter((name) => !["dns", "nomad-tasks"].includes(name));
        return {
            datacenter: "dc1",
            tokens: {
                management: { current: this.management },
                agents: Object.fromEntries(
                    Object.entries(this.agents).map(([name, current]) => [name, { current }]),
                ),
                dns: { current: this.dns },
                ...Object.fromEntries(policies.map((name) => [name, { current: randomUUID() }])),
            },
            nomad: { caPem: this.ca.cert, jwksUrl },
        };
    }

    /** What stands for Nomad's servers: signs identities at an address of its own. */
    identityProvider(subnet: string): Promise<IdentityProvider> {
        const address = `${subnet}.30`;
        return this.certificate(this.servers[0]!, { names: ["server.global.nomad"], address }).then(
            (certificate) => identityProvider(address, certificate),
        );
    }
}

/** Three servers with their ACLs and a client. */
export class WholeConsul {
    private constructor(
        readonly cluster: SecureConsul,
        private readonly identities: IdentityProvider,
        readonly servers: Member[],
        readonly client: Member,
    ) {}

    static async start(subnet: string): Promise<WholeConsul> {
        const cluster = await SecureConsul.create(subnet, 3, 1);
        const identities = await cluster.identityProvider(subnet);
        const servers = await Promise.all(cluster.servers.map((node) => cluster.start(node)));
        const plan = consulAcl(cluster.aclArgs(identities.url));
        const acl = await overSsh(consulAclCommand(plan, { api: servers[0]!.api }));
        assert.equal(acl.code, 0, acl.output);
        return new WholeConsul(cluster, identities, servers, await cluster.start(cluster.clients[0]!));
    }

    async stop(): Promise<void> {
        await Promise.all(this.agents.map((member) => member.stop()));
        this.identities.close();
        this.cluster.close();
    }

    get agents(): Member[] {
        return [...this.servers, this.client];
    }

    async voters(): Promise<string[]> {
        const { json } = await this.servers[0]!.ask("/v1/operator/raft/configuration");
        const peers = json.Servers as { Node: string; Voter: boolean }[];
        return peers
            .filter(({ Voter }) => Voter)
            .map(({ Node }) => Node)
            .sort();
    }
}

export interface Member {
    readonly node: NodeAddress;
    /** `http://<address>:8500` */
    readonly api: string;
    readonly folder: string;
    log(): string;
    /** Replaces files on the machine; nothing reads them yet. */
    put(configuration: Pick<NodeConfiguration, "files">): void;
    /** The unit's `check` and `healthy`. */
    check(): Promise<CommandResult>;
    healthy(): Promise<CommandResult>;
    /** A request to the agent's own API; `token` defaults to the management token. */
    ask(path: string, options?: Request): Promise<Answer>;
    restart(): Promise<void>;
    stop(): Promise<void>;
}

export interface Request {
    method?: string;
    body?: unknown;
    /** An empty one is left out. */
    token?: string;
}

export interface Answer {
    status: number;
    text: string;
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers are looked into as they come
    json: any;
}

export const ecdsa = { algorithm: "ECDSA", ecdsaCurve: "P256" };

export async function authority(pki: Pki): Promise<Identity> {
    return pki.authority(await pki.key(ecdsa));
}

/** Where a member's listeners of 127.0.0.1 are: several machines share one here. */
export function localOf(node: NodeAddress): string {
    return node.address.replace(/\d+$/, (last) => String(Number(last) + 100));
}

export function apiOf(node: NodeAddress): string {
    return `http://${localOf(node)}:8500`;
}

/** A command of `consulAclCommand` or `gossipKeyrings`, as SSH would run it. */
export function overSsh({ create, stdin }: { create: string; stdin: string }): Promise<CommandResult> {
    return run("sh", ["-c", create], { input: stdin, timeout: 120 });
}

export async function ask(url: string, { method = "GET", body, token }: Request): Promise<Answer> {
    const response = await fetch(url, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        headers: { ...(token ? { "X-Consul-Token": token } : {}), connection: "close" },
    });
    const text = await response.text();
    let json: unknown;
    try {
        json = JSON.parse(text);
    } catch {
        json = undefined;
    }
    return { status: response.status, text, json };
}

/** A machine's paths and its own loopback address, where this member has them. */
function here(text: string, node: NodeAddress, folder: string): string {
    return text
        .replaceAll("/etc/consul.d", join(folder, "consul.d"))
        .replaceAll("/var/lib/consul", join(folder, "data"))
        .replaceAll("127.0.0.1", localOf(node));
}

function putFiles({ files }: Pick<NodeConfiguration, "files">, node: NodeAddress, folder: string): void {
    for (const { path, content, mode } of files) {
        const target = here(path, node, folder);
        mkdirSync(dirname(target), { recursive: true });
        writeFileSync(target, here(content, node, folder), { mode: parseInt(mode, 8) });
    }
}

function command(words: string[], node: NodeAddress, folder: string): Promise<CommandResult> {
    const [program, ...args] = words.map((word) => here(word, node, folder));
    return run(program!, args);
}

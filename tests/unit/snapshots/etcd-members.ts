import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { etcdClientFiles } from "../../../components/clusters/etcd/client";
import type { NodeAddress } from "../../../components/clusters/node";
import { etcdSnapshots, type SnapshotSource } from "../../../components/clusters/snapshots";
import { Api } from "../../../snapshots/api";
import { type Agent, launch } from "../../support/agents";
import { output } from "../../support/command";
import { authority, ecdsa } from "../clusters/secure-consul";
import { type Identity, Pki } from "../plugins/tls/pki";

export const password = "correct horse";

/** Members of an etcd on loopback addresses, as clients meet them: TLS, a client certificate and users. */
export class EtcdMembers {
    readonly agents = new Map<string, Agent>();
    private readonly folder = mkdtempSync(join(tmpdir(), "gatehouse-etcd-clients-"));

    private constructor(
        private readonly pki: Pki,
        private readonly ca: Identity,
        private readonly client: Identity,
        readonly nodes: NodeAddress[],
    ) {
        this.file("client-ca.pem", ca.cert);
        this.file("client.pem", client.cert);
        this.file("client-key.pem", client.key);
    }

    /** `subnet` is three bytes, e.g. `127.0.40`. */
    static async start(subnet: string, count: number): Promise<EtcdMembers> {
        const pki = await Pki.start();
        const ca = await authority(pki);
        // With a common name it could not use the JSON gateway.
        const client = await pki.sign(ca, await pki.key(ecdsa), { dnsNames: ["a-machine"] });
        const nodes = Array.from({ length: count }, (_, place) => ({
            name: `etcd-${place + 1}`,
            address: `${subnet}.${11 + place}`,
        }));
        const members = new EtcdMembers(pki, ca, client, nodes);
        try {
            await Promise.all(nodes.map((node) => members.startMember(node)));
            return members;
        } catch (error) {
            await members.close();
            throw error;
        }
    }

    async close(): Promise<void> {
        await Promise.all([...this.agents.values()].map((agent) => agent.stop()));
        this.pki.close();
        rmSync(this.folder, { recursive: true, force: true });
    }

    private file(name: string, text: string): string {
        const path = join(this.folder, name);
        writeFileSync(path, text, { mode: 0o600 });
        return path;
    }

    private async startMember({ name, address }: NodeAddress): Promise<void> {
        const { cert, key } = await this.pki.sign(this.ca, await this.pki.key(ecdsa), {
            subject: { commonName: name },
            ipAddresses: [address],
        });
        const [client, peer] = [urlOf(address), `http://${address}:2380`];
        const args = [
            ...[`--name=${name}`, "--log-level=error"],
            // A busy computer holds no elections of its own accord.
            ...["--heartbeat-interval=300", "--election-timeout=3000"],
            ...[`--listen-client-urls=${client}`, `--advertise-client-urls=${client}`],
            ...[`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`],
            `--initial-cluster=${this.nodes.map((each) => `${each.name}=http://${each.address}:2380`).join()}`,
            "--client-cert-auth",
            `--trusted-ca-file=${join(this.folder, "client-ca.pem")}`,
            `--cert-file=${this.file(`${name}.pem`, cert)}`,
            `--key-file=${this.file(`${name}-key.pem`, key)}`,
        ];
        const status = () => this.api(address).post("/v3/maintenance/status");
        const agent = await launch(
            "etcd",
            {},
            client,
            (folder) => [...args, `--data-dir=${join(folder, "data")}`],
            async () => void (await status()),
        );
        this.agents.set(name, agent);
    }

    /** A member's API as anybody with a certificate may use it. */
    api(address: string): Api {
        return new Api("etcd", urlOf(address), this.credentials);
    }

    private get credentials() {
        return { ca: this.ca.cert, cert: this.client.cert, key: this.client.key };
    }

    /** As the stack's outputs would have them. */
    get environment(): Record<string, string> {
        return {
            ETCDCTL_ENDPOINTS: urlOf(this.nodes[0]!.address),
            ETCDCTL_USER: "root",
            ETCDCTL_PASSWORD: password,
            GATEHOUSE_ETCD_CA: this.ca.cert,
            GATEHOUSE_ETCD_CERT: this.client.cert,
            GATEHOUSE_ETCD_KEY: this.client.key,
        };
    }

    source(secret = password): SnapshotSource {
        const endpoints = this.nodes.map(({ address }) => urlOf(address));
        return etcdSnapshots({ ...etcdClientFiles, endpoints, user: "root", password: secret });
    }

    /** A machine's texts as they are here. */
    readonly here = (text: string): string => text.replaceAll("/etc/etcd", this.folder);

    /** As root; fails when the command does. */
    etcdctl(...args: string[]): Promise<string> {
        const { environment, secrets } = this.source();
        const files = JSON.parse(this.here(JSON.stringify(environment))) as Record<string, string>;
        const { PATH } = process.env;
        const { ETCDCTL_ENDPOINTS } = this.environment;
        return output("etcdctl", args, { env: { PATH, ...files, ...secrets, ETCDCTL_ENDPOINTS } });
    }

    async leader(): Promise<number> {
        const answers = await Promise.all(
            this.nodes.map(({ address }) =>
                this.api(address).post<{ header: { member_id: string }; leader: string }>(
                    "/v3/maintenance/status",
                ),
            ),
        );
        return answers.findIndex(({ header, leader }) => header.member_id === leader);
    }
}

function urlOf(address: string): string {
    return `https://${address}:2379`;
}

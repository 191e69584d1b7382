import * as assert from "node:assert/strict";

import type { EtcdBalancerArgs } from "../../../components/balancers/etcd-balancer";
import { etcdClientFiles } from "../../../components/clusters/etcd/client";
import { eventually } from "../../support/poll";
import { authority } from "../clusters/secure-consul";
import { Pki } from "../plugins/tls/pki";
import type { Root } from "./node-files";
import { RoutedMachine } from "./node-machine";
import { putApps, putService } from "./node-programs";

export const account = { user: "operator", password: "only-a-test" };

/** Of a balancer in front of `webapp`. */
export function etcdBalancerArgs(change: Partial<EtcdBalancerArgs> = {}): EtcdBalancerArgs {
    return {
        node: { name: "balancer-1", address: "10.219.0.31" },
        etcd: {
            endpoints: [11, 12, 13].map((host) => `https://10.219.0.${host}:2379`),
            ...etcdClientFiles,
            user: "balancer",
            password: "only-the-balancers",
        },
        application: { name: "webapp", ports: { from: 9000, to: 9099 } },
        network: "10.219.0.0/24",
        stats: account,
        ...change,
    };
}

const clientPorts = [2379, 2479, 2579];

/**
 * A machine of the lab's image that has everything on it: three members of etcd that ask for a certificate and a password,
 * instances of an application on addresses of their own, and somebody outside the network who would answer, too.
 */
export class EtcdMachine extends RoutedMachine {
    /** Of instances. */
    readonly hosts = [21, 22, 23].map((host) => this.address.replace(/\d+$/, String(host)));
    readonly stranger = "172.31.250.5";
    readonly password = "only-the-balancers";
    /** Of an authority that has nothing to do with etcd. */
    readonly otherCa = "/etc/etcd/other-ca.pem";

    constructor() {
        super("machine-etcd");
    }

    args(change: Partial<EtcdBalancerArgs> = {}): EtcdBalancerArgs {
        const etcd = etcdBalancerArgs().etcd;
        return etcdBalancerArgs({
            node: { name: "node-1", address: this.address },
            etcd: { ...etcd, endpoints: clientPorts.map((port) => `https://127.0.0.1:${port}`) },
            network: this.network,
            guard: { holdSeconds: 2 },
            ...change,
        });
    }

    /** Applications answer on ports 9001 (a) to 9004 (d); on 9099, the stranger. */
    async bootWithEtcd(): Promise<void> {
        const { ca, certificate, key, other } = await makeCertificates();
        await this.boot((root) => {
            root.write(this.otherCa, other);
            root.write(etcdClientFiles.caFile, ca);
            root.write(etcdClientFiles.certificateFile, certificate);
            root.write(etcdClientFiles.keyFile, key, 0o600);
            putMembers(root);
            putApps(root, "a-9001", "b-9002", "c-9003", "d-9004", "stranger-9099");
        });
        await this.addAddresses();
        await eventually("etcd answers", () => this.etcdctl("endpoint", "health"), { within: 60 });
        for (const command of [
            "role add balancer",
            "role grant-permission balancer --prefix=true read /apps/",
            "user add root:root",
            "user grant-role root root",
            `user add balancer:${this.password}`,
            "user grant-role balancer balancer",
            "auth enable",
        ]) {
            await this.etcdctl(...command.split(" "));
        }
    }

    /** Again after each boot. */
    async addAddresses(): Promise<void> {
        for (const address of [...this.hosts.map((host) => `${host}/24`), `${this.stranger}/32`]) {
            await this.inside("ip", "address", "add", address, "dev", "eth0");
        }
    }

    /** As root, before there are users and afterwards. */
    etcdctl(...command: string[]): Promise<string> {
        const { caFile, certificateFile, keyFile } = etcdClientFiles;
        return this.inside(
            ...["etcdctl", `--endpoints=${this.args().etcd.endpoints.join(",")}`, "--command-timeout=10s"],
            ...[`--cacert=${caFile}`, `--cert=${certificateFile}`, `--key=${keyFile}`, "--user=root:root"],
            ...command,
        );
    }

    async putKey(key: string, value: string): Promise<void> {
        await this.etcdctl("put", "--", key, value);
    }

    /** Registers instance `n`, whose application is `a` for 1 and so on. */
    register(n: number, address = this.hosts[n % 3]!, port = 9000 + n): Promise<void> {
        return this.putKey(`/apps/webapp/webapp@${n}.service`, `webapp-${n} ${address}:${port}`);
    }

    async deregister(n: number): Promise<void> {
        await this.etcdctl("del", `/apps/webapp/webapp@${n}.service`);
    }

    /** Entries of which none may count. Whom each of them names would answer. */
    poison(): Record<string, string> {
        return {
            "/apps/webapp/webapp@5.service": `webapp-5 ${this.stranger}:9099`,
            "/apps/webapp/webapp@6.service": `webapp-6 ${this.hosts[0]}:22`,
            "/apps/webapp/webapp@7.service": `webapp-7 ${this.address}:9099`,
            "/apps/webapp/webapp@8.service": `webapp-9 ${this.hosts[0]}:9099`,
            "/apps/webapp/webapp@9.service": `webapp-9 ${this.hosts[0]}:9099\n    bind :1`,
            '/apps/webapp/"\n    bind :1': "x",
            "/apps/webapp/webapp@10.service": "'\"$(touch /tmp/poisoned) {{ . }}",
            "/apps/webapp/webapp@11.service": `webapp-11 ${this.hosts[2]}:9002`, // webapp-2's
            "/apps/webapp/webapp@12.service": "x".repeat(100_000),
        };
    }

    /** Well-formed entries from 1000 to 1999 of instances that are not there. */
    async putThousand(): Promise<void> {
        const { caFile, certificateFile, keyFile, endpoints } = this.args().etcd;
        const tls = `--cacert=${caFile} --cert=${certificateFile} --key=${keyFile} --user=root:root`;
        const script = `
            for n in $(seq 1000 1999); do
                echo put /apps/webapp/webapp@$n.service '"'webapp-$n ${this.hosts[0]}:$((9000 + n % 90))'"'
            done > /tmp/puts
            # In ten transactions: whoever watches meets them half-way.
            split --lines=100 /tmp/puts /tmp/put.
            for file in /tmp/put.*; do
                { echo; cat $file; echo; echo; } | etcdctl --endpoints=${endpoints[0]} ${tls} txn > /dev/null
            done`;
        await this.inside("sh", "-euc", script);
    }

    async deleteThousand(): Promise<void> {
        await this.etcdctl("del", "/apps/webapp/webapp@1000.service", "/apps/webapp/webapp@2");
    }

    /** Who answers, in as many requests as it takes to see each; or the status of an answer that is nobody's. */
    async used(): Promise<string> {
        const format = "%{http_code} %header{x-instance}\n";
        const { stdout } = await this.try(
            ...["curl", "--silent", "--max-time", "5", "--output", "/dev/null", "--write-out", format],
            "http://127.0.0.1/?[1-16]",
        );
        const seen = stdout
            .trim()
            .split("\n")
            .map((line) => line.replace(/^200 /, "").trim());
        return [...new Set(seen)].sort().join(", ");
    }

    /** A visitor's session stays at one of the instances `a` and `b`, whatever the name of the server that it is in. */
    async keepsSessions(): Promise<{ server: string; instance: string }> {
        const head = await this.page("http://127.0.0.1/login", "--include");
        const [, server = "", instance = ""] =
            /^set-cookie: JSESSIONID=([^~]+)~([ab])s\s*$/im.exec(head) ?? [];
        assert.ok(server, head);
        for (let request = 0; request < 4; request++) {
            const cookie = ["--header", `Cookie: JSESSIONID=${server}~${instance}s`, "--include"];
            const answer = await this.page("http://127.0.0.1/", ...cookie);
            assert.match(answer, new RegExp(`^x-instance: ${instance}\\s*$`, "im"));
            // The application sees the value that it has given.
            assert.match(answer, new RegExp(`^x-cookie: JSESSIONID=${instance}s\\s*$`, "im"));
        }
        return { server, instance };
    }

    /** A page on the port of the statistics, by somebody who knows the password. */
    stats(path: string): Promise<string> {
        return this.page(`http://127.0.0.1:8888${path}`, "--user", `${account.user}:${account.password}`);
    }
}

/** For members and their clients. Without a common name: etcd's gateway refuses whoever shows one. */
async function makeCertificates(): Promise<{ ca: string; certificate: string; key: string; other: string }> {
    const pki = await Pki.start();
    try {
        const ca = await authority(pki);
        const own = await pki.sign(ca, await pki.key({ algorithm: "ECDSA", ecdsaCurve: "P256" }), {
            subject: { organization: "Gatehouse" },
            dnsNames: ["localhost"],
            ipAddresses: ["127.0.0.1"],
        });
        const other = await authority(pki);
        return { ca: ca.cert, certificate: own.cert, key: own.key, other: other.cert };
    } finally {
        pki.close();
    }
}

function putMembers(root: Root): void {
    const { caFile, certificateFile, keyFile } = etcdClientFiles;
    clientPorts.forEach((port, index) => {
        const name = `etcd-${index + 1}`;
        const [client, peer] = [`https://127.0.0.1:${port}`, `http://127.0.0.1:${port + 1}`];
        const settings = {
            name,
            "data-dir": `/var/lib/etcd-test/${name}`,
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": clientPorts
                .map((each, n) => `etcd-${n + 1}=http://127.0.0.1:${each + 1}`)
                .join(","),
            "trusted-ca-file": caFile,
            "cert-file": certificateFile,
            "key-file": keyFile,
            "client-cert-auth": "true",
            "log-level": "warn",
        };
        const flags = Object.entries(settings).map(([flag, value]) => `--${flag}=${value}`);
        putService(root, `member-${index + 1}`, `etcd ${flags.join(" ")}`);
    });
}

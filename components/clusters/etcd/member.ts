import { readFileSync } from "node:fs";
import { join } from "node:path";

import { stringify } from "yaml";

import { libraryFolder } from "../../../cloud-init";
import { type ArgumentProblem, refuseArguments } from "../../security/arguments";
import { ports } from "../../security/ports";
import { type NodeAddress, peersOf } from "../node";
import type { NodeConfiguration, NodeFile } from "../node-files";
import { scriptSources, stateFolder } from "../node-script";
import { etcdClientFiles } from "./client";

/** A certificate and its key (PEM). */
interface KnownCertificate {
    certPem: string;
    keyPem: string;
}

export interface EtcdMemberArgs {
    /** The machine that the files are for. Its name is the member's. */
    node: NodeAddress;
    /** All members that the cluster ought to have: 1, 3 or 5. More or fewer restart nobody. */
    members: readonly NodeAddress[];
    /** What tells this cluster from every other one, before and after it. A change restarts, and changes nothing else. */
    clusterToken: string;
    /** The certificates (PEM) of the authorities that clients and members, and members alone, believe. */
    ca: { clients: string; peers: string };
    /**
     * The member's own: `server` for its address, `localhost` and 127.0.0.1, by the authority of clients; `peer` for its
     * address by that of peers. Both are good for servers and for clients. What it shows as a client of others is among
     * {@link etcdClientFiles}, which are put there as on every machine.
     */
    certificates: { server: KnownCertificate; peer: KnownCertificate };
    /** Of etcd's user `root`, with which the member takes its place. Secret. */
    rootPassword: string;
    /** How long what was overwritten can still be read, e.g. `1h` or `30m`. Default: `1h`. */
    compaction?: string;
    /** Bytes that the store may take, from 16 MiB to 8 GiB; then it takes no more writes. Default: 2 GiB. */
    quotaBytes?: number;
    /** Seconds for which a member without data waits for the others. Default: 120. For tests. */
    patience?: number;
}

export const etcdUnit = "etcd.service";

const folder = "/etc/etcd";
const program = `${libraryFolder}/etcd-member`;
const settingsFile = `${folder}/member.json`;
const passwordFile = `${folder}/root-password`;
const metrics = "http://127.0.0.1:2381";

/** Its presence makes a founder of the machine, see {@link EtcdMemberArgs.clusterToken} and files/etcd_join.py. */
export const etcdSeedFile = `${stateFolder}/etcd-seed`;

const mebibyte = 2 ** 20;
/** Beyond it etcd warns at every start (etcd.io/docs/v3.5/dev-guide/limit). */
const largestQuota = 8 * 1024 * mebibyte;
const defaultQuota = 2 * 1024 * mebibyte;

/**
 * Milliseconds. etcd's defaults, 100 and 1000, would be an election after a second without a word, which two busy cores
 * can be for no reason; Consul's agents here wait as long (`raft_multiplier`).
 */
const heartbeat = 200;
const election = 2000;

/**
 * Seconds: etcd makes no shorter lease, so that none ends while a leader is elected (lessor's `MinLeaseTTL`). It is long
 * enough for a keep-alive with as many as five members, too: that comes after a third; when nobody answers, all are asked
 * once within half, a quarter of a second each and twice on a kept connection; the last sixth is for the one that does
 * (applications/files/registration.py).
 */
export const shortestLease = Math.ceil((1.5 * election) / 1000);

/**
 * A member of an etcd cluster that asks everybody for a certificate: clients for one of the first authority, its peers
 * for one of the second. Pure.
 *
 * | file in /etc/etcd | what a change of it takes |
 * |---|---|
 * | `etcd.yaml`, `server-ca.pem`, `peer-ca.pem` | a restart |
 * | `server*.pem`, `peer*.pem` | nothing: etcd reads them for every connection |
 * | `member.json`, `root-password` | nothing: they matter to a member that starts |
 *
 * What `etcd.yaml` lacks, the machine itself knows: whether the cluster is there already, and who is in it
 * (files/etcd_join.py).
 *
 * An alarm (the quota is reached, data differ) and a store that is nearly full are a failed unit, `etcd-alarm.service`,
 * whose last line says what to do; a timer looks every minute.
 *
 * @throws pulumi.InputPropertiesError with everything that is wrong with the arguments, and no secret.
 */
export function etcdMember(args: EtcdMemberArgs): NodeConfiguration {
    refuse(args);
    const { node, members, ca, certificates } = args;
    return {
        files: [
            plainFile("etcd.yaml", stringify(etcdConfiguration(args), { lineWidth: 0 }), restart),
            file("peer-ca.pem", ca.peers, restart),
            file("server-ca.pem", ca.clients, restart),
            file("server.pem", certificates.server.certPem),
            file("server-key.pem", certificates.server.keyPem),
            file("peer.pem", certificates.peer.certPem),
            file("peer-key.pem", certificates.peer.keyPem),
            plainFile("member.json", json(memberSettings(args))),
            { path: passwordFile, content: `${args.rootPassword}\n`, mode: "0600", owner: "root:root" },
            {
                path: program,
                content: ["#!/usr/bin/python3", ...scriptSources(["etcd_api.py", "etcd_join.py"])].join("\n"),
                mode: "0755",
                owner: "root:root",
            },
            unitFile("etcd.service", restart),
            unitFile("etcd-settle.service"),
            unitFile("etcd-alarm.service"),
            unitFile("etcd-alarm.timer", { name: "etcd-alarm.timer", change: "restart" }),
        ],
        units: [
            {
                name: etcdUnit,
                healthy: [program, "healthy", settingsFile],
                peers: peersOf(node, members, ports.etcdPeer.from),
            },
            { name: "etcd-alarm.timer" },
        ],
    };
}

/** In etcd's own words. */
function etcdConfiguration(args: EtcdMemberArgs): object {
    const { node, clusterToken, compaction = "1h", quotaBytes = defaultQuota } = args;
    return {
        name: node.name,
        "data-dir": "/var/lib/etcd",
        "listen-client-urls": [clientUrl(node), `https://127.0.0.1:${ports.etcdClient.from}`].join(),
        "advertise-client-urls": clientUrl(node),
        "listen-peer-urls": peerUrl(node),
        "initial-advertise-peer-urls": peerUrl(node),
        // Plain, for the machine itself alone.
        "listen-metrics-urls": metrics,
        "initial-cluster-token": clusterToken,
        "client-transport-security": {
            "client-cert-auth": true,
            "trusted-ca-file": `${folder}/server-ca.pem`,
            "cert-file": `${folder}/server.pem`,
            "key-file": `${folder}/server-key.pem`,
        },
        "peer-transport-security": {
            "client-cert-auth": true,
            "trusted-ca-file": `${folder}/peer-ca.pem`,
            "cert-file": `${folder}/peer.pem`,
            "key-file": `${folder}/peer-key.pem`,
        },
        // Its cipher suites are all good ones; there is no list to keep.
        "tls-min-version": "TLS1.3",
        // Tokens are in the members' memory: whoever has one asks anew after a restart. There is no key to keep.
        "auth-token": "simple",
        // The JSON gateway, by which the machines' scripts ask. A configuration file turns it off unless it says so.
        "enable-grpc-gateway": true,
        "strict-reconfig-check": true,
        "heartbeat-interval": heartbeat,
        "election-timeout": election,
        "auto-compaction-mode": "periodic",
        "auto-compaction-retention": compaction,
        "quota-backend-bytes": quotaBytes,
        // etcd.io/docs/v3.5/op-guide/data_corruption recommends both.
        "experimental-initial-corrupt-check": true,
        "experimental-compact-hash-check-enabled": true,
        "log-level": "info",
    };
}

/** What files/etcd_join.py is told. */
function memberSettings({ node, members, clusterToken, quotaBytes = defaultQuota, ...args }: EtcdMemberArgs) {
    const { caFile, certificateFile, keyFile } = etcdClientFiles;
    return {
        name: node.name,
        members: Object.fromEntries(
            members.map((each) => [each.name, { peer: peerUrl(each), client: clientUrl(each) }]),
        ),
        token: clusterToken,
        seed: etcdSeedFile,
        identity: `${stateFolder}/etcd-member`,
        data: "/var/lib/etcd",
        template: `${folder}/etcd.yaml`,
        configuration: "/run/etcd/etcd.yaml",
        group: "etcd",
        tls: { ca: caFile, certificate: certificateFile, key: keyFile },
        password: passwordFile,
        metrics,
        quota: quotaBytes,
        patience: args.patience ?? 120,
    };
}

/** Where clients reach a member. */
export function clientUrl({ address }: Pick<NodeAddress, "address">): string {
    return `https://${address}:${ports.etcdClient.from}`;
}

function peerUrl({ address }: NodeAddress): string {
    return `https://${address}:${ports.etcdPeer.from}`;
}

const restart: NodeFile["unit"] = { name: etcdUnit, change: "restart" };

function file(name: string, content: string, unit?: NodeFile["unit"]): NodeFile {
    return { path: `${folder}/${name}`, content, mode: "0640", owner: "root:etcd", ...(unit && { unit }) };
}

/** One without a secret: words of others are taken out of what the update prints (files/units.py). */
function plainFile(name: string, content: string, unit?: NodeFile["unit"]): NodeFile {
    return { ...file(name, content, unit), mode: "0644", owner: "root:root" };
}

/** A systemd unit of the folder `units`. */
function unitFile(name: string, unit?: NodeFile["unit"]): NodeFile {
    const content = readFileSync(join(__dirname, "units", name), "utf8");
    return {
        path: `/etc/systemd/system/${name}`,
        content,
        mode: "0644",
        owner: "root:root",
        ...(unit && { unit }),
    };
}

function json(value: object): string {
    return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** Never with a secret in the message. */
function refuse(args: EtcdMemberArgs): void {
    const { node, members, ca, compaction = "1h", quotaBytes = defaultQuota } = args;
    const problems: ArgumentProblem[] = [...memberProblems(members)];
    const must = (right: boolean, propertyPath: string, reason: string): void => {
        if (!right) {
            problems.push({ propertyPath, reason });
        }
    };
    must(
        members.some(({ name, address }) => name === node.name && address === node.address),
        "node",
        "must be one of the members",
    );
    must(
        /^[\w-]{8,}$/.test(args.clusterToken),
        "clusterToken",
        "must be at least 8 letters, digits, hyphens and underscores, e.g. a RandomId",
    );
    for (const [name, pem] of Object.entries(ca)) {
        must(pem.includes("BEGIN CERTIFICATE"), `ca.${name}`, "is no certificate in PEM");
    }
    must(
        ca.clients !== ca.peers,
        "ca",
        "must be two authorities: a client's certificate would make a member",
    );
    must(
        /^[!-~]{12,}$/.test(args.rootPassword),
        "rootPassword",
        "must have at least 12 characters, no spaces",
    );
    must(/^[1-9]\d*[hm]$/.test(compaction), "compaction", `must be like 1h or 30m, but is ${compaction}`);
    must(
        Number.isInteger(quotaBytes) && quotaBytes >= 16 * mebibyte && quotaBytes <= largestQuota,
        "quotaBytes",
        `must be whole bytes from 16 MiB to 8 GiB (${largestQuota}), but is ${quotaBytes}`,
    );
    refuseArguments(`etcd on ${node.name}`, problems);
}

/** What is wrong with a cluster's members. Pure. */
export function memberProblems(members: readonly Pick<NodeAddress, "name">[]): ArgumentProblem[] {
    const problems: ArgumentProblem[] = [];
    if (![1, 3, 5].includes(members.length)) {
        const reason =
            `must be 1, 3 or 5 members, but are ${members.length}: an even number survives no more losses than the ` +
            "odd one below it, and more than 5 make every write slower";
        problems.push({ propertyPath: "members", reason });
    }
    for (const key of ["name", "address"]) {
        const all = members.map((each) => (each as Record<string, string | undefined>)[key]);
        const twice = all.find((each, index) => each !== undefined && all.indexOf(each) < index);
        if (twice !== undefined) {
            problems.push({ propertyPath: "members", reason: `${twice} is the ${key} of two of them` });
        }
    }
    return problems;
}

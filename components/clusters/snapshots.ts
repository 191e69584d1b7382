import { libraryFolder } from "../../cloud-init";
import { type ArgumentProblem, refuseArguments } from "../security/arguments";
import { ports } from "../security/ports";
import type { EtcdClient } from "./etcd/client";
import { isServer, type NodeAddress } from "./node";
import type { NodeConfiguration, NodeFile } from "./node-files";
import { scriptSources, stateFolder } from "./node-script";
import { nomadCaFile } from "./nomad-configuration";

/** A system that is asked for snapshots, by its own command line. */
export interface SnapshotSource {
    /** A part of file names: lower-case letters. */
    name: string;
    /** Variables for the commands, and those of them that are secret. */
    environment: Record<string, string>;
    secrets: Record<string, string>;
    /** Who leads. Default: whoever is asked keeps what it gets, though it may have made it. */
    leader?: LeaderByUrl | LeaderOfEtcd;
    /** Writes a snapshot into the file that is the last argument. */
    save: readonly string[];
    /** Fails when that file is not whole; prints JSON. */
    inspect: readonly string[];
    /** The way to the index of the snapshot's last entry in that JSON. */
    index: readonly string[];
}

/** An address that answers `"address:port"` in JSON. */
export interface LeaderByUrl {
    url: string;
    /** Its authority, a file; only for https. */
    ca?: string;
}

/** Members of which each says of itself whether it leads. The snapshot is asked of that one. */
export interface LeaderOfEtcd {
    endpoints: readonly string[];
    /** Files: the members' authority, and the machine's certificate and key. */
    ca: string;
    certificate: string;
    key: string;
}

export interface NodeSnapshotsArgs {
    /** The machine that the files are for; a server. */
    node: NodeAddress;
    /** All servers. With one alone nobody else can keep what it makes. */
    servers: readonly NodeAddress[];
    sources: readonly SnapshotSource[];
    /** Seconds from one snapshot to the next, at least 60. */
    interval: number;
    /** Snapshots of each source that the machine keeps, at least 1. */
    keep: number;
    /** The certificate (PEM) for whose key snapshots are encrypted. The key is on no machine. */
    recipientPem: string;
    /** Seconds for which a source that fails is asked again. Default: 60. For tests. */
    patience?: number;
}

/** The program on a server: `take` or `report`, and its settings. */
export const snapshotCommand = {
    program: `${libraryFolder}/snapshot`,
    settings: "/etc/gatehouse/snapshots.json",
    /** Where the snapshots are. */
    folder: `${stateFolder}/snapshots`,
} as const;

const recipient = "/etc/gatehouse/snapshots.pem";
const secretsFile = "/etc/gatehouse/snapshots-secrets.json";
const service = "gatehouse-snapshot.service";
const timer = "gatehouse-snapshot.timer";

/** The first one comes soon, but not before a new cluster has its ACLs. */
const firstAfter = 300;

/**
 * Snapshots on a schedule, on every server: a timer, and the program that it starts (files/snapshot.py). A snapshot that
 * cannot be made is a failed unit. Pure; the machine has `openssl` and the sources' own command lines.
 *
 * One file has tokens that may read everything, for root alone, on machines that have those secrets anyway: Consul asks
 * for `acl = "write"`, Nomad for a management token, etcd for root's password. No change restarts anything but the timer.
 *
 * @throws pulumi.InputPropertiesError with everything that is wrong with the arguments, and no secret.
 */
export function nodeSnapshots(args: NodeSnapshotsArgs): NodeConfiguration {
    refuse(args);
    const { node, servers, interval, keep, sources, patience = 60 } = args;
    const settings = {
        node: node.name,
        address: node.address,
        alone: servers.length === 1,
        folder: snapshotCommand.folder,
        // In memory. Not below a folder that systemd or others tidy.
        scratch: "/run/gatehouse-snapshots",
        keep,
        patience,
        recipient,
        secrets: secretsFile,
        // Secrets are in a file of their own.
        sources: sources.map((source) => ({ ...source, secrets: undefined })),
    };
    const secrets = Object.fromEntries(sources.map((source) => [source.name, source.secrets]));
    return {
        files: [
            file(snapshotCommand.program, "0755", scriptSources(scripts(sources)).join("\n\n"), [
                "#!/usr/bin/python3",
            ]),
            file(snapshotCommand.settings, "0644", json(settings)),
            file(secretsFile, "0600", json(secrets)),
            file(recipient, "0644", args.recipientPem),
            file(`/etc/systemd/system/${service}`, "0644", serviceUnit(sources)),
            {
                ...file(`/etc/systemd/system/${timer}`, "0644", timerUnit(interval)),
                unit: { name: timer, change: "restart" },
            },
        ],
        units: [{ name: timer }],
    };
}

/** Consul, asked by its server on the machine itself with a token that may write ACLs. */
export function consulSnapshots(token: string): SnapshotSource {
    const api = `http://127.0.0.1:${ports.consulHttp.from}`;
    return {
        name: "consul",
        environment: { CONSUL_HTTP_ADDR: api },
        secrets: { CONSUL_HTTP_TOKEN: token },
        leader: { url: `${api}/v1/status/leader` },
        save: ["consul", "snapshot", "save"],
        inspect: ["consul", "snapshot", "inspect", "-format=json"],
        index: ["Meta", "Index"],
    };
}

/**
 * Nomad, asked by its server on the machine itself with a management token. Its snapshots hold the keys of variables and
 * workload identities, too: since 1.9 the keyring is in Raft, and with it, unless a KMS has it, the key that wraps it.
 */
export function nomadSnapshots(token: string): SnapshotSource {
    const api = `https://127.0.0.1:${ports.nomadHttp.from}`;
    return {
        name: "nomad",
        environment: { NOMAD_ADDR: api, NOMAD_CACERT: nomadCaFile },
        secrets: { NOMAD_TOKEN: token },
        leader: { url: `${api}/v1/status/leader`, ca: nomadCaFile },
        save: ["nomad", "operator", "snapshot", "save"],
        inspect: ["nomad", "operator", "snapshot", "inspect", "-json"],
        index: ["Meta", "Index"],
    };
}

/**
 * etcd, asked by its leader as `root`: nobody else may have a snapshot.
 *
 * @param client how the machine reaches the members; its password is root's
 */
export function etcdSnapshots(client: EtcdClient): SnapshotSource {
    const { caFile, certificateFile, keyFile, endpoints, user, password } = client;
    return {
        name: "etcd",
        environment: {
            ETCDCTL_CACERT: caFile,
            ETCDCTL_CERT: certificateFile,
            ETCDCTL_KEY: keyFile,
            ETCDCTL_USER: user,
        },
        secrets: { ETCDCTL_PASSWORD: password },
        leader: { endpoints, ca: caFile, certificate: certificateFile, key: keyFile },
        save: ["etcdctl", "snapshot", "save"],
        inspect: ["etcdctl", "snapshot", "status", "--write-out=json"],
        index: ["revision"],
    };
}

/** The program's parts. What asks etcd is there only for etcd. */
function scripts(sources: readonly SnapshotSource[]): string[] {
    const asksEtcd = sources.some(({ leader }) => leader !== undefined && "endpoints" in leader);
    return [...(asksEtcd ? ["etcd_api.py"] : []), "snapshot_source.py", "snapshot.py"];
}

function serviceUnit(sources: readonly SnapshotSource[]): string {
    return `[Unit]
Description=Snapshots of the clusters that this machine is a server of
After=${sources.map(({ name }) => `${name}.service`).join(" ")}

[Service]
Type=oneshot
ExecStart=${snapshotCommand.program} take ${snapshotCommand.settings}
TimeoutStartSec=30min
Nice=10
UMask=0077
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ReadWritePaths=${stateFolder} /run
`;
}

function timerUnit(interval: number): string {
    return `[Unit]
Description=When snapshots are taken

[Timer]
OnActiveSec=${Math.min(interval, firstAfter)}s
OnUnitActiveSec=${interval}s
AccuracySec=1s

[Install]
WantedBy=timers.target
`;
}

function file(path: string, mode: NodeFile["mode"], content: string, head: string[] = []): NodeFile {
    return { path, mode, owner: "root:root", content: [...head, content].join("\n") };
}

function json(value: object): string {
    return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** Never with a secret in the message. */
function refuse({ node, servers, sources, interval, keep, recipientPem }: NodeSnapshotsArgs): void {
    const problems: ArgumentProblem[] = [];
    const must = (right: boolean, propertyPath: string, reason: string): void => {
        if (!right) {
            problems.push({ propertyPath, reason });
        }
    };
    must(
        isServer(node, servers),
        "node",
        "must be a server: clients have nothing that a snapshot would hold",
    );
    must(sources.length > 0, "sources", "must have something to take snapshots of");
    must(
        sources.every(({ name }) => /^[a-z]+$/.test(name)),
        "sources",
        "must have names of lower-case letters: they are parts of file names",
    );
    must(Number.isInteger(interval) && interval >= 60, "interval", "must be whole seconds, at least 60");
    must(Number.isInteger(keep) && keep >= 1, "keep", "must be a whole number from 1 up");
    must(recipientPem.includes("BEGIN CERTIFICATE"), "recipientPem", "is no certificate in PEM");
    refuseArguments(`the snapshots on ${node.name}`, problems);
}

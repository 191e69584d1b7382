import * as assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { etcdClientFiles } from "../../../components/clusters/etcd/client";
import { clientUrl, etcdMember, type EtcdMemberArgs } from "../../../components/clusters/etcd/member";
import { joinConfigurations, type NodeConfiguration } from "../../../components/clusters/node-files";
import { etcdSnapshots, nodeSnapshots, snapshotCommand } from "../../../components/clusters/snapshots";
import { open } from "../../../snapshots/envelope";
import { etcd } from "../../../snapshots/etcd";
import { restoreIntoEtcd } from "../../../snapshots/etcd-into";
import { PrivateFolder } from "../../../snapshots/private-folder";
import type { Remote } from "../../../snapshots/servers";
import { findTool } from "../../support/agents";
import { output } from "../../support/command";
import { eventually } from "../../support/poll";
import { RoutedMachine } from "../balancers/node-machine";
import { type Pair, SecureEtcd } from "../clusters/etcd/secure-etcd";
import { sealingKey } from "./server";

describe("a machine with an etcd member's snapshots", function () {
    this.timeout("3m");
    const machine = new RoutedMachine();
    const keys = mkdtempSync(join(tmpdir(), "gatehouse-sealing-"));
    const folder = new PrivateFolder();
    let cluster: SecureEtcd;
    let args: EtcdMemberArgs;
    let pair: Pair;
    let configuration: NodeConfiguration;
    let key: { certificate: string; keyFile: string };
    let snapshot: string;

    before(async () => {
        cluster = await SecureEtcd.create("127.0.98", 1);
        key = await sealingKey(keys, "ours");
        const node = { name: "node-1", address: machine.address };
        args = await cluster.args(node, { members: [node] });
        pair = await cluster.certificate("clients", "machine node-1");
        const files = {
            [etcdClientFiles.caFile]: args.ca.clients,
            [etcdClientFiles.certificateFile]: pair.certPem,
            [etcdClientFiles.keyFile]: pair.keyPem,
        };
        const client: NodeConfiguration = {
            files: Object.entries(files).map(([path, content]) => ({
                path,
                content,
                mode: "0640",
                owner: "root:etcd",
            })),
            units: [],
        };
        const root = { ...etcdClientFiles, endpoints: [clientUrl(node)], user: "root" };
        const snapshots = nodeSnapshots({
            node,
            servers: [node],
            sources: [etcdSnapshots({ ...root, password: cluster.rootPassword })],
            interval: 3600,
            keep: 3,
            recipientPem: key.certificate,
        });
        configuration = joinConfigurations(client, etcdMember(args), snapshots);
        await machine.boot((files) => {
            files.write("etc/sysusers.d/etcd.conf", 'u etcd - "etcd" /var/lib/etcd\n');
            files.write("var/lib/gatehouse/etcd-seed", args.clusterToken);
        });
        for (const tool of ["etcd", "etcdctl"]) {
            await output("docker", ["cp", findTool(tool), `${machine.name}:/usr/local/bin/${tool}`]);
        }
        await machine.configure(configuration);
        await machine.healthy(configuration);
        await etcdctl("put", "/gatehouse/kept", "from before");
        for (const words of [
            `user add root:${cluster.rootPassword}`,
            "user grant-role root root",
            "auth enable",
        ]) {
            await etcdctl(...words.split(" "));
        }
    });

    after(async () => {
        await machine.remove();
        await cluster?.close();
        folder.close();
        rmSync(keys, { recursive: true, force: true });
    });

    const etcdctl = (...words: string[]): Promise<string> => {
        const { caFile, certificateFile, keyFile } = etcdClientFiles;
        const tls = [`--cacert=${caFile}`, `--cert=${certificateFile}`, `--key=${keyFile}`];
        return machine.inside("etcdctl", "--endpoints=https://127.0.0.1:2379", ...tls, ...words);
    };
    const asRoot = (...words: string[]) => etcdctl(`--user=root:${cluster.rootPassword}`, ...words);
    const remote: Remote = {
        name: "node-1",
        feed: async (command, input) => {
            const docker = ["exec", "--interactive", machine.name, "sh", "-c", command];
            return Buffer.from(await output("docker", docker, { input: input as string }));
        },
    };

    it("takes one by its unit, and keeps it encrypted", async () => {
        await machine.inside("systemctl", "start", "gatehouse-snapshot.service");
        const name = await eventually("the journal says so", async () => {
            const said = await machine.inside(
                ...["journalctl", "--unit=gatehouse-snapshot.service", "--output=cat"],
            );
            const [, kept] = /etcd: kept (\S+\.cms); this is the only server/.exec(said) ?? [];
            assert.ok(kept, said);
            return kept;
        });
        const file = join(keys, name);
        await output("docker", ["cp", `${machine.name}:${snapshotCommand.folder}/${name}`, file]);
        snapshot = open(etcd, file, key.keyFile, folder).path;
        const { ETCDCTL_USER, ETCDCTL_PASSWORD } = {
            ETCDCTL_USER: "root",
            ETCDCTL_PASSWORD: cluster.rootPassword,
        };
        const { items } = await etcd.rehearse(snapshot, {
            environment: { ETCDCTL_USER, ETCDCTL_PASSWORD },
            folder,
        });
        assert.deepEqual(
            items.filter(({ kind }) => kind === "etcd: keys").map(({ id }) => id),
            ["/gatehouse/kept"],
        );
    });

    it("gets its data back, and remembers who it is now", async () => {
        await asRoot("put", "/gatehouse/kept", "changed");
        const identity = await machine.inside("cat", "/var/lib/gatehouse/etcd-member");
        await restoreIntoEtcd({ servers: [remote], silent: {} }, snapshot, () => undefined);
        assert.match(await asRoot("get", "/gatehouse/kept"), /from before/);
        await eventually("its id is noted", async () =>
            assert.notEqual(await machine.inside("cat", "/var/lib/gatehouse/etcd-member"), identity),
        );
        const folders = await machine.inside("ls", "-l", "/var/lib/etcd");
        assert.match(folders, /before-gatehouse-restored-/);
        assert.doesNotMatch(folders, / restored$/m);
        await machine.restart();
        await machine.healthy(configuration);
        assert.match(await asRoot("get", "/gatehouse/kept"), /from before/);
    });

    it("gets it even after it has lost everything, which it waits with", async () => {
        await machine.inside("systemctl", "stop", "etcd.service");
        await machine.inside("rm", "-rf", "/var/lib/etcd/member");
        await machine.inside("systemctl", "start", "--no-block", "etcd.service");
        await restoreIntoEtcd({ servers: [remote], silent: {} }, snapshot, () => undefined);
        await machine.healthy(configuration);
        assert.match(await asRoot("get", "/gatehouse/kept"), /from before/);
    });
});

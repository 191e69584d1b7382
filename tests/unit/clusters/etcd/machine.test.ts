import * as assert from "node:assert/strict";

import { etcdClientFiles } from "../../../../components/clusters/etcd/client";
import { etcdMember, type EtcdMemberArgs } from "../../../../components/clusters/etcd/member";
import { joinConfigurations, type NodeConfiguration } from "../../../../components/clusters/node-files";
import { findTool } from "../../../support/agents";
import { output } from "../../../support/command";
import { eventually } from "../../../support/poll";
import { RoutedMachine } from "../../balancers/node-machine";
import { SecureEtcd } from "./secure-etcd";

describe("an etcd member on a machine", function () {
    this.timeout("3m");
    const machine = new RoutedMachine();
    let cluster: SecureEtcd;
    let args: EtcdMemberArgs;
    let client: NodeConfiguration;

    before(async () => {
        cluster = await SecureEtcd.create("127.0.65", 1);
        const node = { name: "node-1", address: machine.address };
        args = await cluster.args(node, { members: [node] });
        const { certPem, keyPem } = await cluster.certificate("clients", "machine node-1");
        const { caFile, certificateFile, keyFile } = etcdClientFiles;
        const files = { [caFile]: args.ca.clients, [certificateFile]: certPem, [keyFile]: keyPem };
        client = {
            files: Object.entries(files).map(([path, content]) => ({
                path,
                content,
                mode: "0640",
                owner: "root:etcd",
            })),
            units: [],
        };
        await machine.boot((root) => {
            root.write("etc/sysusers.d/etcd.conf", 'u etcd - "etcd" /var/lib/etcd\n');
            root.write("var/lib/gatehouse/etcd-seed", args.clusterToken);
        });
        for (const tool of ["etcd", "etcdctl"]) {
            await output("docker", ["cp", findTool(tool), `${machine.name}:/usr/local/bin/${tool}`]);
        }
    });
    after(async () => {
        await machine.remove();
        await cluster?.close();
    });

    const configuration = (overrides: Partial<EtcdMemberArgs> = {}): NodeConfiguration =>
        joinConfigurations(client, etcdMember({ ...args, ...overrides }));
    const etcdctl = (...words: string[]): Promise<string> => {
        const { caFile, certificateFile, keyFile } = etcdClientFiles;
        const tls = [`--cacert=${caFile}`, `--cert=${certificateFile}`, `--key=${keyFile}`];
        return machine.inside("etcdctl", "--endpoints=https://127.0.0.1:2379", ...tls, ...words);
    };

    it("founds its cluster, as a user of its own, and is left alone by the next update", async () => {
        const { restarted } = await machine.configure(configuration());
        assert.deepEqual(restarted, ["etcd.service", "etcd-alarm.timer"]);
        await eventually("its seed is gone", () =>
            machine.inside("test", "!", "-e", "/var/lib/gatehouse/etcd-seed"),
        );
        const user = await machine.inside("sh", "-c", "ps -o user= -C etcd");
        assert.equal(user.trim(), "etcd");
        const modes = await machine.inside("stat", "-c", "%a %U", "/var/lib/etcd", "/run/etcd/etcd.yaml");
        assert.equal(modes, "700 etcd\n640 root\n");
        const { changed, restarted: again } = await machine.configure(configuration());
        assert.deepEqual([changed, again], [[], []]);
    });

    it("has what it knew after a restart of the machine", async () => {
        await etcdctl("put", "/apps/test", "kept");
        await machine.restart();
        await machine.healthy(configuration());
        assert.match(await etcdctl("get", "/apps/test"), /kept/);
    });

    it("takes a renewed certificate over while it runs", async () => {
        const pid = () =>
            machine.inside("systemctl", "show", "--property=MainPID", "--value", "etcd.service");
        const before = await pid();
        const server = await cluster.certificate("clients", "node-1", machine.address);
        args = { ...args, certificates: { ...args.certificates, server } };
        assert.deepEqual((await machine.configure(configuration())).restarted, []);
        const shown = await machine.inside(
            "sh",
            "-c",
            "openssl s_client -connect 127.0.0.1:2379 </dev/null 2>/dev/null | openssl x509",
        );
        assert.equal(shown.trim(), server.certPem.trim());
        assert.equal(await pid(), before);
    });

    it("shows an alarm as a failed unit", async () => {
        const { code } = await machine.try("systemctl", "start", "etcd-alarm.service");
        assert.equal(code, 0);
        await machine.configure(configuration({ quotaBytes: 16 * 2 ** 20 }));
        await machine.try("sh", "-c", fill);
        await eventually("the unit fails", async () => {
            const started = await machine.try("systemctl", "start", "etcd-alarm.service");
            assert.notEqual(started.code, 0);
        });
        await eventually("the journal says why", async () => {
            const said = await machine.inside("journalctl", "--unit=etcd-alarm.service", "--output=cat");
            assert.match(said, /alarm: the store is full and takes no more writes/);
        });
        // The alarm is no fault of a change that is being made.
        await machine.configure(configuration());
    });

    it("that has lost its data and is alone says so, and what to do", async () => {
        await machine.inside("systemctl", "stop", "etcd.service");
        await machine.inside("rm", "-rf", "/var/lib/etcd/member");
        await assert.rejects(
            machine.configure(configuration({ patience: 2 })),
            /etcd\.service[^]*node-1 has no data, and it is the only member: still so after 2 s\. See whether[^]*make restore INTO=running/,
        );
    });
});

/** Fills 16 MiB, a MiB at a time, until etcd takes no more. */
const fill = `
head -c 1000000 /dev/zero | tr '\\0' x >/tmp/large
while etcdctl --endpoints=https://127.0.0.1:2379 --cacert=${etcdClientFiles.caFile} \\
    --cert=${etcdClientFiles.certificateFile} --key=${etcdClientFiles.keyFile} put /apps/large </tmp/large
do :; done
`;

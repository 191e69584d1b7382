import * as assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import { parseConfig } from "../../../config";
import { etcdClientFiles } from "../../../components/clusters/etcd/client";
import {
    consulSnapshots,
    etcdSnapshots,
    nodeSnapshots,
    type NodeSnapshotsArgs,
    nomadSnapshots,
} from "../../../components/clusters/snapshots";
import { run } from "../../support/command";
import { refusal } from "../../support/settings";

const servers = [1, 2, 3].map((n) => ({ name: `server-${n}`, address: `10.218.0.1${n}` }));
const args: NodeSnapshotsArgs = {
    node: servers[0]!,
    servers,
    sources: [consulSnapshots("consul-token"), nomadSnapshots("nomad-token")],
    interval: 3600,
    keep: 24,
    recipientPem: "-----BEGIN CERTIFICATE-----\n",
};

describe("settings of snapshots", () => {
    const refused = (snapshots: object) => refusal({ lab: "routed", snapshots });

    it("are an hour and a day's worth unless something else is said", () => {
        const config = parseConfig({ lab: "routed" });
        assert.ok(config.lab === "routed");
        assert.deepEqual(config.snapshots, { interval: "1h", keep: 24 });
    });

    it("refuse what cannot be, with a remedy", () => {
        assert.match(refused({ interval: "30s" }), /snapshots\.interval: must be at least 1m.*but is "30s"/);
        assert.match(refused({ interval: "hourly" }), /snapshots\.interval: must be a number and a unit/);
        assert.match(refused({ keep: 0 }), /snapshots\.keep: must be at least 1.*but is 0/);
        assert.match(refused({ keep: 5000 }), /snapshots\.keep: must be at most 1000/);
    });
});

describe("a server's snapshots", () => {
    const { files, units } = nodeSnapshots(args);
    const content = (name: string): string => files.find(({ path }) => basename(path) === name)!.content;

    it("come with their secrets in one file, for root alone", () => {
        for (const { path, content: text, mode } of files) {
            const secret = text.includes("consul-token") || text.includes("nomad-token");
            assert.equal(secret, path === "/etc/gatehouse/snapshots-secrets.json", path);
            assert.equal(secret, mode === "0600", path);
        }
    });

    it("of etcd have root's password in that file, too, and ask who leads", () => {
        const endpoints = servers.map(({ address }) => `https://${address}:2379`);
        const client = { ...etcdClientFiles, endpoints, user: "root", password: "roots-password" };
        const sources = [etcdSnapshots(client)];
        const ofEtcd = nodeSnapshots({ ...args, sources }).files;
        const having = (text: string) =>
            ofEtcd.filter((each) => each.content.includes(text)).map(({ path }) => basename(path));
        assert.deepEqual(having("roots-password"), ["snapshots-secrets.json"]);
        assert.deepEqual(having(endpoints[2]!), ["snapshots.json"]);
        assert.deepEqual(having("After=etcd.service\n"), ["gatehouse-snapshot.service"]);
        assert.deepEqual(having("class Etcd:"), ["snapshot"]);
        // What has nothing to do with etcd knows nothing of it.
        assert.ok(!content("snapshot").includes("class Etcd:"));
        assert.match(content("gatehouse-snapshot.service"), /After=consul\.service nomad\.service\n/);
    });

    it("come by a timer that starts at boot, and whose interval changes nothing else", () => {
        assert.deepEqual(
            units.map(({ name }) => name),
            ["gatehouse-snapshot.timer"],
        );
        assert.match(content("gatehouse-snapshot.timer"), /OnUnitActiveSec=3600s/);
        assert.match(content("gatehouse-snapshot.timer"), /WantedBy=timers\.target/);
        const other = nodeSnapshots({ ...args, interval: 60 }).files;
        assert.deepEqual(
            files
                .filter(({ content: text }, place) => text !== other[place]!.content)
                .map(({ path }) => path),
            ["/etc/systemd/system/gatehouse-snapshot.timer"],
        );
    });

    it("are units that systemd understands", async function () {
        if ((await run("systemd-analyze", ["--version"]).catch(() => ({ code: 1 }))).code !== 0) {
            this.skip();
        }
        const folder = mkdtempSync(join(tmpdir(), "gatehouse-units-"));
        try {
            const names = files.map(({ path }) => path).filter((path) => path.startsWith("/etc/systemd"));
            for (const path of names) {
                // The program is not on this computer.
                const text = content(basename(path)).replace(/^ExecStart=\S+/m, "ExecStart=/bin/true");
                writeFileSync(join(folder, basename(path)), text);
            }
            const { code, output } = await run("systemd-analyze", [
                "verify",
                "--man=no",
                ...names.map((path) => join(folder, basename(path))),
            ]);
            assert.equal(code, 0, output);
            assert.doesNotMatch(output, /gatehouse-snapshot/);
        } finally {
            rmSync(folder, { recursive: true });
        }
    });

    it("are refused with everything that is wrong, and no secret", () => {
        const wrong = {
            ...args,
            node: { name: "client-1", address: "10.218.0.21" },
            sources: [{ ...consulSnapshots("consul-token"), name: "Consul 1" }],
            interval: 59,
            keep: 0,
            recipientPem: "",
        };
        assert.throws(
            () => nodeSnapshots(wrong),
            ({ message }: Error) =>
                ["node", "sources", "interval", "keep", "recipientPem"].every((each) =>
                    message.includes(`${each}: `),
                ) && !message.includes("consul-token"),
        );
    });
});

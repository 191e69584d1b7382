import * as assert from "node:assert/strict";
import {
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

import { Api } from "../../../snapshots/api";
import { etcd } from "../../../snapshots/etcd";
import { restoreIntoEtcd } from "../../../snapshots/etcd-into";
import type { Remote } from "../../../snapshots/servers";
import { findTool } from "../../support/agents";
import { output } from "../../support/command";
import { eventually } from "../../support/poll";

const password = "correct horse";
const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** A member and the commands of its machine, where `systemctl` knows of nothing but etcd. */
class Machine implements Remote {
    readonly folder = mkdtempSync(join(tmpdir(), "gatehouse-etcd-member-"));
    readonly data = join(this.folder, "data");
    readonly client: string;
    readonly peer: string;

    constructor(
        readonly name: string,
        address: string,
    ) {
        this.client = `http://${address}:2379`;
        this.peer = `http://${address}:2380`;
    }

    install(members: readonly Machine[]): void {
        mkdirSync(this.data);
        const settings = {
            name: this.name,
            members: Object.fromEntries(members.map(({ name, peer, client }) => [name, { peer, client }])),
            data: this.data,
            identity: join(this.folder, "identity"),
            tls: {},
        };
        writeFileSync(join(this.folder, "member.json"), JSON.stringify(settings));
        writeFileSync(settings.identity, "1234");
        const etcd = [
            ...[findTool("etcd"), `--name=${this.name}`, `--data-dir=${this.data}`, "--log-level=error"],
            ...[`--listen-client-urls=${this.client}`, `--advertise-client-urls=${this.client}`],
            ...[`--listen-peer-urls=${this.peer}`, `--initial-advertise-peer-urls=${this.peer}`],
            `--initial-cluster=${members.map(({ name, peer }) => `${name}=${peer}`).join()}`,
        ];
        const systemctl = `#!/bin/sh
cd ${this.folder}
runs() { [ -f pid ] && grep '^State:' "/proc/$(cat pid)/status" 2>/dev/null | grep -qv zombie; }
case "$1" in
    stop) if runs; then kill "$(cat pid)"; while runs; do sleep 0.05; done; fi ;;
    start)
        if [ -f broken ]; then rm broken; echo 'etcd.service cannot be started' >&2; exit 1; fi
        runs || { setsid ${etcd.join(" ")} </dev/null >>log 2>&1 & echo $! >pid; } ;;
esac
`;
        writeFileSync(join(this.folder, "systemctl"), systemctl, { mode: 0o755 });
    }

    async feed(command: string, input: Buffer | string): Promise<Buffer> {
        const env = { ...process.env, PATH: [this.folder, process.env.PATH].join(delimiter) };
        // Each machine has files of its own.
        const local = command.replaceAll("HERE", this.folder);
        return Buffer.from(await output("sh", ["-c", local], { env, input: input as string, timeout: 60 }));
    }

    systemctl(what: "start" | "stop"): Promise<unknown> {
        return this.feed(`systemctl ${what} etcd.service`, "");
    }

    get former(): string[] {
        return readdirSync(this.data).filter((name) => name.startsWith("before-"));
    }

    /** Neither a snapshot nor what came of one. */
    tidy(): void {
        assert.ok(!existsSync(join(this.folder, "scratch")));
        assert.ok(!existsSync(join(this.data, "restored")));
    }

    async close(): Promise<void> {
        await this.systemctl("stop");
        rmSync(this.folder, { recursive: true, force: true });
    }
}

describe("a running etcd that gets a snapshot's data", function () {
    this.timeout("2m");

    const machines = [1, 2, 3].map((n) => new Machine(`etcd-${n}`, `127.0.97.${10 + n}`));
    const [first] = machines as [Machine];
    const folder = mkdtempSync(join(tmpdir(), "gatehouse-restore-test-"));
    const snapshot = join(folder, "snapshot");
    const environment = { ETCDCTL_ENDPOINTS: first.client, ETCDCTL_USER: "root", ETCDCTL_PASSWORD: password };
    const places = { settings: "HERE/member.json", scratch: "HERE/scratch", patience: 30 };

    const all = (what: "start" | "stop") => Promise.all(machines.map((each) => each.systemctl(what)));
    const everybodyAnswers = () =>
        eventually("all members have a leader", async () => {
            for (const { client } of machines) {
                const { leader } = await new Api("etcd", client, {}).post<{ leader?: string }>(
                    "/v3/maintenance/status",
                );
                assert.ok(leader !== undefined && leader !== "0");
            }
        });
    const etcdctl = (...args: string[]): Promise<string> =>
        output("etcdctl", args, { env: { PATH: process.env.PATH, ...environment } });
    const get = async (key: string): Promise<string> =>
        (await etcdctl("get", "--print-value-only", key)).trim();
    const clusters = async (): Promise<string[]> => {
        const ids = machines.map(async ({ client }) => {
            const status = await new Api("etcd", client, {}).post<{ header: { cluster_id: string } }>(
                "/v3/maintenance/status",
            );
            return status.header.cluster_id;
        });
        return [...new Set(await Promise.all(ids))];
    };
    const restore = (file = snapshot, servers: readonly Remote[] = machines, silent = {}) => {
        const said: string[] = [];
        return restoreIntoEtcd({ servers, silent }, file, (line) => said.push(line), places).then(() => said);
    };

    before("three members, and a snapshot", async () => {
        machines.forEach((machine) => machine.install(machines));
        await all("start");
        await everybodyAnswers();
        const api = new Api("etcd", first.client, {});
        await api.post("/v3/kv/put", { key: base64("/kept"), value: base64("from before") });
        for (const [path, body] of [
            ["user/add", { name: "root", password }],
            ["user/grant", { user: "root", role: "root" }],
            ["enable", {}],
        ] as const) {
            await api.post(`/v3/auth/${path}`, body);
        }
        await etcdctl("snapshot", "save", snapshot);
        await etcdctl("put", "/kept", "changed");
        await etcdctl("put", "/later", "made");
    });

    after(async () => {
        await Promise.all(machines.map((machine) => machine.close()));
        rmSync(folder, { recursive: true, force: true });
    });

    it("is as it was when the snapshot is none, and says so", async () => {
        const former = await clusters();
        const garbled = join(folder, "garbled");
        const content = readFileSync(snapshot);
        content[content.indexOf("from before")]! ^= 1;
        writeFileSync(garbled, content);
        await assert.rejects(restore(garbled), /nothing was changed: .*etcdctl snapshot restore: .*sha256/s);
        assert.deepEqual(await clusters(), former);
        assert.equal(await get("/kept"), "changed");
        machines.forEach((machine) => machine.tidy());
    });

    it("is as it was when a member cannot be asked", async () => {
        const silent = { "etcd-3": "no route to host" };
        await assert.rejects(
            restore(snapshot, machines.slice(0, 2), silent),
            /etcd-3 cannot be asked: no route/,
        );
        assert.equal(await get("/kept"), "changed");
    });

    it("gets its former data back when a member does not start with the others", async () => {
        const former = await clusters();
        writeFileSync(join(machines[1]!.folder, "broken"), "");
        await assert.rejects(
            restore(),
            /did not come back .*cannot be started.*the members have their former data again/s,
        );
        await everybodyAnswers();
        assert.deepEqual(await clusters(), former);
        assert.equal(await get("/later"), "made");
        machines.forEach((machine) => {
            machine.tidy();
            assert.deepEqual(machine.former, []);
        });
    });

    it("is another cluster with that data and the same members, and counts on", async () => {
        const [former] = await clusters();
        const { counts } = await etcd.running(environment);
        assert.match((await restore()).join("\n"), /etcd has the snapshot's data/);
        const now = await clusters();
        assert.equal(now.length, 1);
        assert.notEqual(now[0], former);
        assert.equal(await get("/kept"), "from before");
        assert.equal(await get("/later"), "");
        const members = (await etcdctl("member", "list")).trim().split("\n");
        assert.deepEqual(members.map((line) => line.split(", ")[2]).sort(), ["etcd-1", "etcd-2", "etcd-3"]);
        const later = await etcd.running(environment);
        assert.ok(later.counts!["revision"]! > counts!["revision"]!);
        // Who watches from where he was hears that he has missed something.
        await assert.rejects(
            etcdctl("get", "/kept", `--rev=${counts!["revision"]}`),
            /required revision has been compacted/,
        );
        machines.forEach((machine) => {
            machine.tidy();
            assert.ok(!existsSync(join(machine.folder, "identity")));
            assert.equal(machine.former.length, 1);
        });
        await etcdctl("put", "/written", "afterwards");
        await all("stop");
        await all("start");
        await everybodyAnswers();
        assert.equal(await get("/written"), "afterwards");
    });

    it("gets it on members that have lost theirs, too", async () => {
        await all("stop");
        for (const machine of machines) {
            rmSync(join(machine.data, "member"), { recursive: true });
        }
        await restore();
        assert.equal(await get("/kept"), "from before");
    });
});

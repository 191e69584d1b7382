import { createLinode, getEvents, getLinode, type CreateLinodeRequest } from "@linode/api-v4";
import * as assert from "node:assert/strict";
import * as path from "node:path";
import { spawn } from "node:child_process";

import { root } from "../../support/command";
import { request } from "../../support/http";
import { useEmulator } from "../../support/linode/client";
import { NullDriver } from "../../support/linode/driver";
import { LinodeEmulator, type EmulatorOptions } from "../../support/linode/emulator";
import { eventually } from "../../support/poll";

const quick = { within: 20, every: 10 };
const wanted: CreateLinodeRequest = {
    region: "us-ord",
    type: "g6-nanode-1",
    image: "linode/debian12",
    root_pass: "long-enough-not-secret",
    label: "machine",
};

describe("linode emulator: faults", () => {
    let emulator: LinodeEmulator;

    const start = async (options: EmulatorOptions = {}): Promise<void> => {
        emulator = new LinodeEmulator({ speed: 0.002, ...options });
        await emulator.start();
        useEmulator(emulator);
    };
    afterEach(async () => {
        assert.equal(emulator.faults.pending, 0, "every fault met its request");
        await emulator.stop();
    });

    const call = (method: string, path: string, body?: object) =>
        request(`${emulator.url}/v4${path}`, {
            method,
            body,
            headers: { authorization: `Bearer ${emulator.token}` },
        });
    const create = () => call("POST", "/linode/instances", wanted);
    const count = () => emulator.inventory().length;
    const status = async (id: number, expected: string) =>
        eventually(expected, async () => assert.equal((await getLinode(id)).status, expected), quick);

    it("429, 503, busy and 500 for so many requests of a kind, without any effect", async () => {
        await start();
        const target = { method: "POST", path: "/linode/instances" } as const;
        emulator.faults.inject({ ...target, times: 2 }, { kind: "tooManyRequests", retryAfter: 7 });
        emulator.faults.inject(target, { kind: "unavailable" });
        emulator.faults.inject(target, { kind: "unavailable", maintenance: true });
        emulator.faults.inject(target, { kind: "busy" });
        emulator.faults.inject({ path: "/linode/instances/*/ips" }, { kind: "internalError" });
        const answers = [];
        for (let number = 0; number < 6; number += 1) {
            assert.equal((await call("GET", "/linode/instances")).status, 200, "others are not touched");
            answers.push(await create());
        }
        assert.deepEqual(
            answers.map(({ status }) => status),
            [429, 429, 503, 503, 400, 200],
        );
        assert.equal(answers[0]!.headers["retry-after"], "7");
        assert.deepEqual(
            answers.slice(2, 4).map(({ headers }) => "x-maintenance-mode" in headers),
            [false, true],
        );
        assert.equal(answers[4]!.body, '{"errors":[{"reason":"Linode busy."}]}');
        assert.equal(count(), 1);
        const { id } = JSON.parse(answers[5]!.body) as { id: number };
        assert.equal((await call("GET", `/linode/instances/${id}/ips`)).status, 500);
        assert.equal((await call("GET", `/linode/instances/${id}/ips`)).status, 200);
        assert.equal(emulator.log.counts()["POST /linode/instances"], 6, "failed calls are counted, too");
    });

    it("a connection cut before the effect, and one cut after it", async () => {
        await start();
        const target = { method: "POST", path: "/linode/instances" } as const;
        emulator.faults.inject(target, { kind: "cut", when: "before" });
        await assert.rejects(create(), /socket hang up|ECONNRESET/);
        assert.equal(count(), 0);
        emulator.faults.inject(target, { kind: "cut", when: "after" });
        await assert.rejects(create(), /socket hang up|ECONNRESET/);
        assert.equal(count(), 1, "the client does not know, but it is there");
        assert.deepEqual(
            emulator.log.entries.map(({ status }) => status),
            [undefined, undefined],
        );
        const again = await create();
        assert.match(again.body, /Label must be unique among your linodes/);
    });

    it("a creation that fails leaves an instance that is off", async () => {
        await start();
        emulator.faults.failEvent("linode_create", { label: "machine" });
        const { id } = await createLinode(wanted);
        await status(id, "offline");
        const { data } = await getEvents({ page: 1 }, { "entity.id": id, "entity.type": "linode" });
        assert.deepEqual(
            data.map(({ action, status, percent_complete }) => [action, status, percent_complete]),
            [["linode_create", "failed", 100]],
        );
        assert.notEqual(data[0]!.message, "");
    });

    it("a boot that fails, by itself or because no machine could be made, and the next one", async () => {
        class Reluctant extends NullDriver {
            private tries = 0;
            override async boot(): Promise<void> {
                this.tries += 1;
                if (this.tries === 1) {
                    throw new Error("no memory left");
                }
            }
        }
        await start({ driver: new Reluctant() });
        emulator.faults.failEvent("linode_boot");
        const { id } = await createLinode(wanted);
        const boots = async () => {
            const filter = { "entity.id": id, "entity.type": "linode", action: "linode_boot" };
            const { data } = await getEvents({ page: 1 }, { ...filter, "+order_by": "id", "+order": "asc" });
            return data.map(({ status, message }) => [status, message]);
        };
        const failed = (number: number) =>
            eventually(
                "a failed boot",
                async () => {
                    const all = await boots();
                    assert.deepEqual([all.length, all.at(-1)?.[0]], [number, "failed"]);
                },
                quick,
            );
        await failed(1);
        await call("POST", `/linode/instances/${id}/boot`);
        await failed(2);
        assert.match((await boots())[1]![1]!, /no memory left/);
        await call("POST", `/linode/instances/${id}/boot`);
        await status(id, "running");
    });

    it("a crash in the middle of a creation: the state is kept, the work goes on", async () => {
        await start({ speed: 0.01 });
        emulator.faults.inject(
            { method: "POST", path: "/linode/instances" },
            { kind: "crash", when: "after" },
        );
        await assert.rejects(create(), /socket hang up|ECONNRESET/);
        assert.equal(emulator.running, false);
        await assert.rejects(create(), /ECONNREFUSED/);
        const { url } = emulator;
        const [made] = emulator.inventory();
        assert.equal(made?.label, "machine");
        assert.equal(emulator.events()[0]!.status, "scheduled", "nothing goes on while it is down");
        await emulator.start();
        assert.equal(emulator.url, url);
        await status(made.id, "running");
    });

    it("a crash before the effect leaves nothing", async () => {
        await start();
        emulator.faults.inject({ path: "/vpcs" }, { kind: "crash", when: "before" });
        await assert.rejects(
            call("POST", "/vpcs", { label: "lab", region: "us-ord" }),
            /socket hang up|ECONNRESET/,
        );
        await emulator.start();
        assert.equal((await call("GET", "/vpcs")).status, 200);
        assert.equal(count(), 0);
    });
});

describe("linode emulator: by hand", () => {
    it("prints an address and a token that work, and ends when it is told to", async () => {
        const child = spawn(
            process.execPath,
            ["--import", "tsx", path.join(root, "tests/support/linode/main.ts"), "--speed", "0.01"],
            { cwd: root, stdio: ["ignore", "pipe", "inherit"] },
        );
        try {
            let output = "";
            child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
            const { url, token } = await eventually(
                "its address",
                () => {
                    const found = /LINODE_URL=(\S+)\nexport LINODE_TOKEN=(\S+)\n/.exec(output);
                    assert.ok(found, output);
                    return { url: found[1]!, token: found[2]! };
                },
                { within: 40 },
            );
            const answer = await request(`${url}/v4/linode/types?page=1`, {
                headers: { authorization: `Bearer ${token}` },
            });
            assert.equal(answer.status, 200);
        } finally {
            const ended = new Promise((resolve) => child.once("exit", resolve));
            child.kill("SIGTERM");
            assert.equal(await ended, 0);
        }
    });
});

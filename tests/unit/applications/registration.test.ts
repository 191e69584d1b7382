import * as assert from "node:assert/strict";
import { rmSync } from "node:fs";

import { instanceKey } from "../../../components/applications/units";
import { eventually, pause } from "../../support/poll";
import { type Entry, TestEtcd, Way } from "./etcd";
import { TestApplication, TestRegistration } from "./instance";

describe("a registration", function () {
    this.timeout("1m");
    const key = instanceKey("webapp", 1);
    const password = "password-of-webapp";
    const lease = 3;
    const deregisterDelay = 1;
    let etcd: TestEtcd;
    let application: TestApplication;
    let registration: TestRegistration;

    before(async () => {
        etcd = await TestEtcd.start();
        await etcd.enableUsers("webapp", password);
    });
    after(async () => {
        await etcd?.agent.stop();
        rmSync(etcd.certificates.folder, { recursive: true, force: true });
    });
    beforeEach(async () => {
        application = await TestApplication.create();
        registration = prepared();
    });
    afterEach(async () => {
        await registration.remove();
        await application.stop();
        await etcd.ctl("del", "--prefix", "/apps/");
    });

    function prepared(endpoints?: readonly string[], port = application.port): TestRegistration {
        return new TestRegistration({
            node: { name: "web-1", address: "127.0.0.1" },
            application: { name: "webapp", image: "hello", basePort: port },
            instances: [1],
            etcd: etcd.client(password, endpoints),
            lease,
            deregisterDelay,
            check: { interval: 0.2, timeout: 0.5, fall: 2, rise: 1 },
        });
    }

    const says = (pattern: RegExp): Promise<void> =>
        eventually(`it says ${pattern}`, () => assert.match(registration.lines.at(-1)!, pattern));
    const there = (within = 10): Promise<Entry> =>
        eventually(
            "the key is there",
            async () => {
                const entry = await etcd.entry(key);
                const wanted = `webapp-1 127.0.0.1:${application.port}`;
                assert.equal(entry?.value, wanted, `${entry?.value}; it says ${registration.lines.at(-1)}`);
                assert.notEqual(entry.lease, "0");
                return entry;
            },
            { within },
        );
    const gone = (within = 10): Promise<void> =>
        eventually("the key is gone", async () => assert.equal(await etcd.entry(key), undefined), { within });

    async function started(): Promise<Entry> {
        await application.start();
        registration.start();
        const entry = await there();
        await says(/^registered: /);
        return entry;
    }

    /** The key has not been away for as long. */
    async function stays(entry: Entry, seconds: number): Promise<void> {
        const end = Date.now() + seconds * 1000;
        while (Date.now() < end) {
            assert.equal((await etcd.entry(key))?.created, entry.created, registration.lines.join("\n"));
            await pause(100);
        }
    }

    it("begins when the application answers, says each change once, and lasts", async () => {
        application.status = 503;
        await application.start();
        registration.start();
        await says(/^waiting for the application: http:\/\/127\.0\.0\.1:\d+\/health: /);
        assert.equal(await etcd.entry(key), undefined);
        application.status = 200;
        await stays(await there(), lease * 2);
        assert.equal(registration.lines.length, 2, registration.lines.join("\n"));
        assert.equal(
            registration.lines[1],
            `registered: /apps/webapp/webapp@1.service = webapp-1 127.0.0.1:${application.port}`,
        );
    });

    it("ends with its lease when nobody keeps that alive", async () => {
        await started();
        await registration.signal("SIGKILL");
        const killed = Date.now();
        await gone(lease + 3);
        assert.ok(Date.now() - killed > (lease * 1000) / 2, "it did not go with the lease");
    });

    it("ends at once when it is stopped, and before the program does", async () => {
        await started();
        const stopped = Date.now();
        let ended = false;
        const end = registration.signal("SIGTERM").finally(() => (ended = true));
        await gone(deregisterDelay);
        assert.equal(ended, false, "the application would have been stopped already");
        const { code, output } = await end;
        assert.equal(code, 0, output);
        assert.ok(Date.now() - stopped >= deregisterDelay * 1000, "balancers had no time");
        assert.match(output, /deregistered; balancers have 1 s to notice\n$/);
    });

    it("leaves nobody any time when the application has ended already", async () => {
        await started();
        await application.stop();
        const stopped = Date.now();
        const { code, output } = await registration.signal("SIGTERM");
        assert.equal(code, 0, output);
        assert.ok(Date.now() - stopped < deregisterDelay * 1000, `${Date.now() - stopped} ms`);
        await gone(1);
    });

    it("is away while the application fails its check", async () => {
        await started();
        application.status = 500;
        await says(/^taken away: the application fails its check: .*status 500$/);
        await gone(1);
        application.status = 200;
        await there();
    });

    it("comes back when somebody has deleted or changed the key", async () => {
        await started();
        await etcd.ctl("del", key);
        await there(lease + 3);
        await etcd.ctl("put", key, "garbage");
        await there(lease + 3);
        const said = registration.lines.join("\n");
        assert.match(said, /somebody had deleted the key; it is put again/);
        assert.match(said, /somebody had changed the key; it is put again/);
    });

    it("comes back when the lease is lost", async () => {
        const { lease: old } = await started();
        await etcd.ctl("lease", "revoke", BigInt(old).toString(16));
        assert.notEqual((await there(lease + 3)).lease, old);
        assert.match(registration.lines.join("\n"), /the lease had run out; it is put again/);
    });

    it("outlives a restart of etcd", async () => {
        await started();
        await etcd.agent.restart();
        await there();
        await says(/^registered: /);
        await stays(await there(), lease * 2);
    });

    it("waits for etcd, and says so", async () => {
        const way = await Way.to(etcd.agent.ports.client!);
        try {
            await registration.remove();
            registration = prepared([`https://127.0.0.1:${way.port}`]);
            way.hush(true);
            await application.start();
            registration.start();
            await says(/^waiting for etcd: .*timed out/);
            way.hush(false);
            await there(20);
        } finally {
            way.close();
        }
    });

    it("does not lose its lease to a member that is silent", async () => {
        const ways = [await Way.to(etcd.agent.ports.client!), await Way.to(etcd.agent.ports.client!)];
        try {
            await registration.remove();
            registration = prepared(ways.map(({ port }) => `https://127.0.0.1:${port}`));
            const entry = await started();
            ways[0]!.hush(true);
            await stays(entry, lease * 2);
            ways[0]!.hush(false);
            ways[1]!.hush(true);
            await stays(entry, lease * 2);
        } finally {
            ways.forEach((way) => way.close());
        }
    });

    it("waits until the lease has run out when it is stopped without etcd", async () => {
        const way = await Way.to(etcd.agent.ports.client!);
        try {
            await registration.remove();
            registration = prepared([`https://127.0.0.1:${way.port}`]);
            await started();
            way.hush(true);
            const stopped = Date.now();
            const { code, output } = await registration.signal("SIGTERM");
            assert.equal(code, 0, output);
            assert.match(output, /etcd does not answer; waiting until the lease has run out/);
            assert.match(output, /the lease has run out; balancers have 1 s to notice\n$/);
            const seconds = (Date.now() - stopped) / 1000;
            assert.ok(seconds < lease + deregisterDelay + 2, `${seconds} s`);
            await gone(1);
        } finally {
            way.close();
        }
    });

    it("keeps the key while its password changes, and takes the new one over", async () => {
        const entry = await started();
        await etcd.changePassword("another-password");
        await says(/^etcd refuses: etcdserver: authentication failed/);
        await stays(entry, lease);
        registration.write("webapp.password", "another-password\n");
        await says(/^registered: /);
        await stays(entry, lease * 2);
        await etcd.changePassword(password);
    });

    it("leaves the key to another machine that has taken it over", async () => {
        await started();
        await etcd.ctl("put", key, "webapp-1 127.0.0.2:9000");
        await registration.signal("SIGTERM");
        assert.equal((await etcd.entry(key))?.value, "webapp-1 127.0.0.2:9000");
    });
});

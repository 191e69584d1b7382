import * as assert from "node:assert/strict";
import { rmSync } from "node:fs";

import { instanceKey } from "../../../components/applications/units";
import { eventually, pause } from "../../support/poll";
import { type Entry, TestEtcd, Way } from "./etcd";
import { TestApplication, TestRegistration } from "./instance";

describe("a registration", function () {
    this.timeout("2m");
    const key = instanceKey("webapp", 1);
    const password = "password-of-webapp";
    // So long that a busy computer neither loses the one nor sleeps through the other.
    const lease = 5;
    const deregisterDelay = 3;
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
        application = await TestApplication.start();
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
            check: { interval: 0.2, timeout: 3, fall: 2, rise: 1 },
        });
    }

    const says = (pattern: RegExp): Promise<void> =>
        eventually(`it says ${pattern}`, () => assert.match(registration.lines.at(-1)!, pattern));
    /** It has said so at some time; it says so when it is done. */
    const has = (pattern: RegExp): Promise<void> =>
        eventually(`it has said ${pattern}`, () => assert.match(registration.lines.join("\n"), pattern));
    const noticed = (what: string): RegExp =>
        new RegExp(`${what}; balancers have ${deregisterDelay} s to notice\\n$`);
    const there = (within = 20): Promise<Entry> =>
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
    const gone = (within: number): Promise<void> =>
        eventually("the key is gone", async () => assert.equal(await etcd.entry(key), undefined), { within });

    async function started(): Promise<Entry> {
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
        registration.start();
        await says(/^waiting for the application: http:\/\/127\.0\.0\.1:\d+\/health: /);
        assert.equal(await etcd.entry(key), undefined);
        application.status = 200;
        await stays(await there(), lease * 2);
        const [, second, ...more] = registration.lines;
        assert.equal(
            second,
            `registered: /apps/webapp/webapp@1.service = webapp-1 127.0.0.1:${application.port}`,
        );
        // If etcd was too slow once.
        const rest = more.filter((line) => !line.startsWith("etcd does not answer: "));
        const changes = more.length - rest.length;
        assert.deepEqual(rest, Array<string>(changes).fill(second), registration.lines.join("\n"));
    });

    it("ends with its lease when nobody keeps that alive", async () => {
        await started();
        const killed = Date.now();
        await registration.signal("SIGKILL");
        await gone(lease * 3);
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
        assert.match(output, noticed("deregistered"));
    });

    it("leaves nobody any time when the application has ended already", async () => {
        await started();
        await application.stop();
        const stopped = Date.now();
        const { code, output } = await registration.signal("SIGTERM");
        assert.equal(code, 0, output);
        assert.ok(Date.now() - stopped < deregisterDelay * 1000, `${Date.now() - stopped} ms`);
        assert.equal(await etcd.entry(key), undefined);
    });

    it("is away while the application fails its check", async () => {
        await started();
        application.status = 500;
        await says(/^taken away: the application fails its check: .*status 500$/);
        assert.equal(await etcd.entry(key), undefined);
        application.status = 200;
        await there();
    });

    it("comes back when somebody has deleted or changed the key", async () => {
        await started();
        await etcd.ctl("del", key);
        await there();
        await has(/somebody had deleted the key; it is put again/);
        await etcd.ctl("put", key, "garbage");
        await there();
        await has(/somebody had changed the key; it is put again/);
    });

    it("comes back when the lease is lost", async () => {
        const { lease: old } = await started();
        await etcd.ctl("lease", "revoke", BigInt(old).toString(16));
        assert.notEqual((await there()).lease, old);
        await has(/the lease had run out; it is put again/);
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
            assert.match(output, noticed("the lease has run out"));
            const seconds = (Date.now() - stopped) / 1000;
            // Its unit has no more time (TimeoutStopSec).
            assert.ok(seconds < lease + deregisterDelay + 10, `${seconds} s`);
            assert.equal(await etcd.entry(key), undefined);
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

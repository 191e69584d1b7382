import * as assert from "node:assert/strict";

import { etcdBalancer, type EtcdDiscovery } from "../../../components/balancers/etcd-balancer";
import { eventually } from "../../support/poll";
import { EtcdMachine } from "./etcd-machine";

/** A real machine with three members of etcd and HAProxy on it, whose Lua follows them. */
describe("a balancer that follows etcd by events", function () {
    this.timeout("5m");
    const machine = new EtcdMachine();

    before(async () => {
        await machine.bootWithEtcd();
        await machine.configure(etcdBalancer(machine.args({ discovery: "events" })));
    });
    after(() => machine.remove());

    const answers = (expected: string, within = 5): Promise<void> =>
        eventually(`${expected} answer`, async () => assert.equal(await machine.used(), expected), {
            within,
            every: 20,
        });

    /** One of the module's own figures for the service, of a kind if it has kinds. */
    async function metric(name: string, kind?: string): Promise<number> {
        const page = await machine.stats("/discovery/metrics");
        const labels = `service="webapp"${kind === undefined ? "" : `,kind="${kind}"`}`;
        const start = `gatehouse_discovery_${name}{${labels}} `;
        const line = page.split("\n").find((each) => each.startsWith(start));
        assert.ok(line, `${start}is not among\n${page}`);
        return Number(line.slice(start.length));
    }

    const log = (): Promise<string> =>
        machine.inside("journalctl", "--unit=haproxy.service", "--no-pager", "--output=cat");

    it("follows instances that come and go, without a rendering", async () => {
        assert.match(await machine.page("http://127.0.0.1:8888/ready"), /^503 /);
        await machine.register(1);
        await answers("a");
        await machine.register(2);
        await answers("a, b");
        await machine.deregister(1);
        await answers("b");
        await machine.register(1);
        await answers("a, b");
        assert.equal(await machine.page("http://127.0.0.1:8888/ready"), "200 ready");
        assert.match(await log(), new RegExp(`webapp: ${machine.hosts[1]}:9001 from webapp\\d+, gone`));
        assert.equal(await metric("errors_total", "internal"), 0);
        assert.equal(await metric("errors_total", "unreachable"), 0);
        assert.notEqual((await machine.try("systemctl", "is-active", "confd.service")).code, 0);
    });

    it("keeps a session at the instance that has made it", async () => {
        await machine.keepsSessions();
    });

    it("believes nothing that is not well-formed, and still takes what is", async () => {
        const poison = machine.poison();
        for (const [key, value] of Object.entries(poison)) {
            await machine.putKey(key, value);
        }
        await machine.register(3);
        await answers("a, b, c");
        assert.equal(await metric("unusable"), Object.keys(poison).length);
        assert.equal(await metric("slots_used"), 3);
        const said = await log();
        assert.equal(said.match(/webapp@6\.service: the port/g)?.length, 1, said);
        for (const key of Object.keys(poison)) {
            await machine.etcdctl("del", "--", key);
        }
        await eventually("none is left out", async () => assert.equal(await metric("unusable"), 0));
    });

    it("takes the lowest numbers of a thousand entries", async () => {
        await machine.putThousand();
        await eventually("they are bounded", async () => {
            assert.equal(await metric("slots_used"), 64);
            assert.equal(await metric("unusable"), 1003 - 64);
        });
        await answers("a, b, c");
        await machine.deleteThousand();
        // None of them has answered: nothing is held back.
        await eventually("they are gone", async () => assert.equal(await metric("slots_used"), 3));
        await answers("a, b, c");
    });

    it("goes on while etcd is away or has no leader, and follows it when it is back", async () => {
        await machine.inside("systemctl", "stop", "member-1", "member-2");
        await eventually("it notices", async () =>
            assert.ok(
                (await metric("errors_total", "unreachable")) + (await metric("errors_total", "status")) > 0,
            ),
        );
        assert.equal(await machine.used(), "a, b, c");
        await machine.inside("systemctl", "stop", "member-3");
        await machine.inside("systemctl", "reload", "haproxy.service");
        assert.equal(await machine.used(), "a, b, c");
        await machine.inside("systemctl", "start", "member-1", "member-2");
        await eventually("etcd answers", () => machine.register(4), { within: 60 });
        await answers("a, b, c, d", 30);
        await machine.inside("systemctl", "start", "member-3");
        await eventually("etcd answers", () => machine.deregister(4), { within: 60 });
        await answers("a, b, c");
        assert.equal(await metric("errors_total", "internal"), 0);
    });

    it("loses no request while members restart in turn, and while the form of discovery changes", async () => {
        const form = async (discovery: EtcdDiscovery): Promise<string[]> =>
            (await machine.configure(etcdBalancer(machine.args({ discovery })))).reloaded;
        await machine.losesNothing("http://127.0.0.1/", async () => {
            for (const member of ["member-1", "member-2", "member-3"]) {
                await machine.inside("systemctl", "restart", member);
                await eventually("etcd answers", () => machine.register(4), { within: 60 });
                await answers("a, b, c, d", 30);
                await eventually("etcd answers", () => machine.deregister(4), { within: 60 });
                await answers("a, b, c", 30);
            }
            assert.deepEqual(await form("watch"), ["haproxy.service"]);
            await machine.register(4);
            await answers("a, b, c, d", 30);
            await eventually("servers stand in the configuration", async () =>
                assert.match(await machine.inside("cat", "/run/haproxy/haproxy.cfg"), /server webapp-4 /),
            );
            assert.deepEqual(await form("events"), ["haproxy.service"]);
            await machine.deregister(4);
            await answers("a, b, c", 30);
        });
    });

    it("lets old workers end soon", () =>
        eventually("one worker is left", async () => {
            const workers = await machine.inside("ps", "-o", "pid=", "-u", "haproxy", "-C", "haproxy");
            const own = await machine.inside("sh", "-c", "ps -o user= -C haproxy | grep -c '^haproxy'");
            assert.equal(Number(own), 1, workers);
        }));

    it("lets nobody on the machine ask etcd for more than it does itself", async () => {
        const ask = (path: string): Promise<string> =>
            machine.inside(
                ...["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}"],
                ...["--data", "{}", `http://127.0.0.1:2378${path}`],
            );
        assert.equal(await ask("/v3/kv/put"), "403");
        assert.equal(await ask("/v3/auth/user/list"), "403");
        // With the certificate alone.
        assert.equal(await ask("/v3/kv/range"), "400");
    });

    for (const [what, kind, change] of [
        ["whose members another authority has signed", "unreachable", { caFile: machine.otherCa }],
        ["that does not take its password", "forbidden", { password: "another" }],
    ] as const) {
        it(`keeps what was there with an etcd ${what}`, async () => {
            const args = machine.args({ discovery: "events" });
            await machine.configure(etcdBalancer({ ...args, etcd: { ...args.etcd, ...change } }));
            await eventually("it is counted", async () =>
                assert.ok((await metric("errors_total", kind)) > 0),
            );
            await machine.register(4);
            assert.equal(await machine.used(), "a, b, c");
            assert.match(await machine.stats("/discovery"), /what was there stays/);
            await machine.configure(etcdBalancer(args));
            await answers("a, b, c, d", 30);
            await machine.deregister(4);
            await answers("a, b, c");
        });
    }

    it("is back after a reboot", async () => {
        await machine.restart();
        await machine.addAddresses();
        await answers("a, b, c", 30);
    });
});

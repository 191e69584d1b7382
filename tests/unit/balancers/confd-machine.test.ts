import * as assert from "node:assert/strict";

import { etcdBalancer } from "../../../components/balancers/etcd-balancer";
import { eventually } from "../../support/poll";
import { EtcdMachine } from "./etcd-machine";

/** A real machine with three members of etcd, confd, the guard and HAProxy on it. */
describe("a balancer that confd renders from etcd", function () {
    this.timeout("5m");
    const machine = new EtcdMachine();

    before(async () => {
        await machine.bootWithEtcd();
        await machine.configure(etcdBalancer(machine.args()));
    });
    after(() => machine.remove());

    const answers = (expected: string, within = 30): Promise<void> =>
        eventually(`${expected} answer`, async () => assert.equal(await machine.used(), expected), {
            within,
        });

    const guardMetric = async (name: string): Promise<number> => {
        const page = await machine.stats("/guard/metrics");
        return Number(new RegExp(`^gatehouse_guard_${name} (\\S+)$`, "m").exec(page)?.[1] ?? NaN);
    };

    const rendered = (): Promise<string> => machine.inside("cat", "/run/haproxy/rendered.cfg");

    it("follows instances that come and go", async () => {
        await machine.register(1);
        await answers("a");
        await machine.register(2);
        await answers("a, b");
        await machine.deregister(1);
        await answers("b");
        await machine.register(1);
        await answers("a, b");
    });

    it("is ready when somebody can answer, and shows its figures to those who know the password", async () => {
        assert.equal(await machine.page("http://127.0.0.1:8888/ready"), "200 ready");
        for (const path of ["/", "/metrics", "/guard/metrics", "/guard/status"]) {
            assert.match(await machine.page(`http://127.0.0.1:8888${path}`), /^401 /, path);
            assert.match(await machine.stats(path), /^200 /, path);
        }
        assert.doesNotMatch(await machine.stats("/"), /2\.6\.\d+/, "the version must not be told");
    });

    it("keeps a session at the instance that has made it, and shows that instance the cookie that it made", async () => {
        const { server, instance } = await machine.keepsSessions();
        assert.equal(server, instance === "a" ? "webapp-1" : "webapp-2");
    });

    it("believes nothing that is not well-formed, and still takes what is", async () => {
        const poison = machine.poison();
        for (const [key, value] of Object.entries(poison)) {
            await machine.putKey(key, value);
        }
        await machine.register(3);
        await answers("a, b, c");
        await eventually("they are counted", async () =>
            assert.equal(await guardMetric("unusable"), Object.keys(poison).length),
        );
        const servers = (await rendered()).match(/^ +server webapp.*$/gm)?.map((line) => line.trim());
        assert.deepEqual(servers, [
            `server webapp-1 ${machine.hosts[1]}:9001 cookie webapp-1`,
            `server webapp-2 ${machine.hosts[2]}:9002 cookie webapp-2`,
            `server webapp-3 ${machine.hosts[0]}:9003 cookie webapp-3`,
        ]);
        assert.match(
            await machine.stats("/guard/status"),
            /left out +"\/apps\/webapp\/webapp@5\.service": the addr/,
        );
        const said = await machine.inside("journalctl", "--identifier=haproxy-entries", "--no-pager");
        assert.equal(said.match(/webapp@6\.service": the port/g)?.length, 1, said);
        assert.notEqual((await machine.try("test", "-e", "/tmp/poisoned")).code, 0);
        for (const key of Object.keys(poison)) {
            await machine.etcdctl("del", "--", key);
        }
        await eventually("none is left out", async () => assert.equal(await guardMetric("unusable"), 0));
    });

    it("takes the lowest numbers of a thousand entries", async () => {
        await machine.putThousand();
        await eventually("they are bounded", async () => {
            const servers = (await rendered()).match(/^ +server webapp-\d+/gm) ?? [];
            assert.equal(servers.length, 64);
        });
        await eventually("the others are counted", async () =>
            assert.equal(await guardMetric("unusable"), 1003 - 64),
        );
        await answers("a, b, c");
        await machine.deleteThousand();
        // What is suddenly so much shorter is held back for two seconds.
        await eventually("they are gone", async () =>
            assert.equal((await rendered()).match(/^ +server webapp-\d+/gm)?.length, 3),
        );
        await eventually("nothing is held", async () => assert.equal(await guardMetric("held_services"), 0));
        assert.equal(await machine.used(), "a, b, c");
    });

    it("goes on while etcd is away or has no leader, and follows it when it is back", async () => {
        await machine.inside("systemctl", "stop", "member-1", "member-2");
        assert.equal(await machine.used(), "a, b, c");
        await machine.inside("systemctl", "stop", "member-3");
        assert.equal(await machine.used(), "a, b, c");
        await machine.inside("systemctl", "restart", "confd");
        assert.equal(await machine.used(), "a, b, c");
        await machine.inside("systemctl", "start", "member-1", "member-2");
        await eventually("etcd answers", () => machine.register(4), { within: 60 });
        await answers("a, b, c, d", 30);
        await machine.inside("systemctl", "start", "member-3");
        await eventually("etcd answers", () => machine.deregister(4), { within: 60 });
        await answers("a, b, c");
    });

    it("loses no request while instances come and go", async () => {
        await machine.losesNothing("http://127.0.0.1/", async () => {
            for (let round = 0; round < 3; round++) {
                await machine.register(4);
                await answers("a, b, c, d");
                await machine.deregister(4);
                await answers("a, b, c");
            }
        });
    });

    it("takes over other settings while HAProxy stays, and asks at intervals where it is to", async () => {
        const master = () => machine.inside("systemctl", "show", "--property=MainPID", "haproxy.service");
        const before = await master();
        const changed = machine.args({
            discovery: "interval",
            intervalSeconds: 1,
            application: { ...machine.args().application, sessionCookie: "SID" },
        });
        const { restarted, reloaded } = await machine.configure(etcdBalancer(changed));
        assert.deepEqual(
            { restarted, reloaded },
            { restarted: ["confd.service"], reloaded: ["haproxy.service"] },
        );
        assert.match(await machine.inside("cat", "/run/haproxy/accepted.cfg"), /cookie SID prefix/);
        await machine.register(4);
        await answers("a, b, c, d");
        await machine.deregister(4);
        await answers("a, b, c");
        assert.equal(await master(), before);
        assert.deepEqual((await machine.configure(etcdBalancer(changed))).changed, []);
    });

    it("is back after a reboot", async () => {
        await machine.restart();
        await machine.addAddresses();
        await answers("a, b, c", 30);
    });
});

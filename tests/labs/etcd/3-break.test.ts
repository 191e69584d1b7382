import * as assert from "node:assert/strict";

import { lab, members } from "../../support/etcd-lab";
import { withWrites, type Writes } from "../../support/etcd-writes";
import { eventually } from "../../support/poll";

/** Seconds: the lab's default lease, and what noticing takes beside it. */
const lease = 5;

describe("etcd lab: what may happen", function () {
    this.timeout("10m");

    before("bring it up", () => lab.ensureUp());
    before("both units take traffic", () => lab.answers("webapp-1 webapp-2"));
    afterEach("everything runs again", async () => {
        await lab.answers("webapp-1 webapp-2", 90);
        await lab.registered(1, 2);
    });

    /** Something that happens while visitors ask the balancer and somebody writes to etcd. */
    const underBoth = (action: (writes: Writes) => Promise<unknown>): Promise<unknown> =>
        lab.losesNothing(() => withWrites(lab, action));
    const servers = async (): Promise<number> => {
        const text = await lab.on("balancer-1", "cat", "/run/haproxy/haproxy.cfg");
        return text.match(/^ +server webapp-\d+ /gm)?.length ?? 0;
    };
    const everyMember = (): Promise<unknown> =>
        eventually("all three are back", async () => assert.equal((await lab.members()).length, 3), {
            within: 120,
        });

    it("takes a unit out before it stops, and in when it is back: no request fails", async () => {
        await lab.losesNothing(async () => {
            await lab.on("web-2", "systemctl", "stop", "webapp@2.service");
            assert.deepEqual(Object.keys(await lab.keys("/apps/webapp/")), ["/apps/webapp/webapp@1.service"]);
            await lab.answers("webapp-1");
            await lab.on("web-2", "systemctl", "start", "webapp@2.service");
            await lab.answers("webapp-1 webapp-2", 60);
        });
    });

    it("restarts all units one after the other: no request fails", async () => {
        await lab.losesNothing(async () => {
            for (const [index, machine] of ["web-1", "web-2"].entries()) {
                await lab.on(machine, "systemctl", "restart", `webapp@${index + 1}.service`);
                await lab.answers("webapp-1 webapp-2", 60);
                // A balancer that has not yet heard of the restart answers as well: the next one would be the second.
                await lab.registered(1, 2);
            }
        });
    });

    it("forgets a machine that dies within the lease", async () => {
        await lab.docker("kill", "web-2");
        const died = Date.now();
        try {
            const gone = async (): Promise<number> => {
                await eventually("its key is gone", async () =>
                    assert.deepEqual(Object.keys(await lab.keys("/apps/webapp/")), [
                        "/apps/webapp/webapp@1.service",
                    ]),
                );
                return (Date.now() - died) / 1000;
            };
            // Side by side: visitors wait for connections to the dead machine, and the lease does not wait for them.
            const [seconds] = await Promise.all([gone(), lab.answers("webapp-1", lease + 10)]);
            assert.ok(seconds < lease + 5, `it took ${seconds} s`);
        } finally {
            await lab.docker("start", "web-2");
        }
    });

    it("goes on when the leader is killed: no request fails, no acknowledged write is lost", async () => {
        const leader = await lab.leader();
        const others = members.filter((name) => name !== leader);
        await underBoth(async () => {
            await lab.docker("kill", leader);
            try {
                await eventually("another one leads", async () =>
                    assert.ok((await lab.members(others)).some((member) => member.leader)),
                );
            } finally {
                await lab.docker("start", leader);
            }
            await everyMember();
        });
    });

    it("serves the last good list without a majority and without any member: the same", async () => {
        await underBoth(async (writes) => {
            try {
                await lab.docker("kill", "etcd-2", "etcd-3");
                await eventually("writes fail", () => assert.ok(writes.failing, "they do not"), {
                    within: 60,
                });
                await lab.answers("webapp-1 webapp-2");
                await lab.docker("kill", "etcd-1");
                await lab.answers("webapp-1 webapp-2");
            } finally {
                await lab.docker("start", "etcd-1", "etcd-2", "etcd-3");
            }
            await everyMember();
        });
        await lab.registered(1, 2);
    });

    it("believes no poisoned key", async () => {
        const stranger = "10.99.0.1:9000";
        const poison: Record<string, string> = {
            "/apps/webapp/webapp@7.service": `webapp-7 ${stranger}`,
            "/apps/webapp/webapp@8.service": "webapp-8 127.0.0.1:9000\n    server x 10.99.0.1:80",
            "/apps/webapp/webapp@9.service": `"; }} garbage ${"x".repeat(500)}`,
            "/apps/webapp/../etc": "webapp-1 10.0.0.1:1",
            "/apps/webapp/webapp@10.service": `webapp-10 ${lab.address("etcd-1")}:2379`,
        };
        await lab.losesNothing(async () => {
            for (const [key, value] of Object.entries(poison)) {
                await lab.etcdctl(["put", "--", key, value]);
            }
            // A good change after the poison comes through.
            await lab.on("web-2", "systemctl", "stop", "webapp@2.service");
            await lab.answers("webapp-1");
            await lab.on("web-2", "systemctl", "start", "webapp@2.service");
            await lab.answers("webapp-1 webapp-2", 60);
            const text = await lab.on("balancer-1", "cat", "/run/haproxy/haproxy.cfg");
            assert.doesNotMatch(text, /10\.99\.0\.1|garbage|:2379/);
        });
        for (const key of Object.keys(poison)) {
            await lab.etcdctl(["del", "--", key]);
        }
    });

    it("bears a thousand keys", async () => {
        // Its own network's addresses: nobody answers there.
        const address = lab.address("web-1").replace(/\d+$/, "");
        const puts = Array.from({ length: 1000 }, (_, index) => {
            const name = `webapp@${5000 + index}.service`;
            return `put /apps/webapp/${name} "webapp-${5000 + index} ${address}${index % 255}:9000"`;
        });
        // That they all go at once is doubted, for a minute unless told otherwise.
        await lab.losesNothing(() => lab.change({ balancer: { guard: { hold: "2s" } } }));
        await lab.losesNothing(async () => {
            for (let from = 0; from < puts.length; from += 100) {
                await lab.etcdctl(["txn"], { input: `\n${puts.slice(from, from + 100).join("\n")}\n\n\n` });
            }
            const patience = { within: 90 };
            await eventually(
                "HAProxy has as many as it may",
                async () => assert.equal(await servers(), 64),
                patience,
            );
            await lab.answers("webapp-1 webapp-2");
            await lab.etcdctl(["del", "--prefix", "/apps/webapp/webapp@5"]);
            await eventually(
                "HAProxy has forgotten them",
                async () => assert.equal(await servers(), 2),
                patience,
            );
        });
    });
});

import * as assert from "node:assert/strict";

import { lab, machines, members } from "../../support/etcd-lab";
import { withWrites } from "../../support/etcd-writes";
import { request } from "../../support/http";
import { MachineLog } from "../../support/routed-watch";

describe("etcd lab: changes", function () {
    this.timeout("15m");

    before("bring it up", () => lab.ensureUp());
    before("both units take traffic", () => lab.answers("webapp-1 webapp-2", 90));

    it("greets otherwise, instance after instance: no request fails", async () => {
        await lab.losesNothing(() => lab.change({ webapp: { message: "friends" } }));
        assert.match((await request(`${lab.url("webapp")}/`)).body, /^Hello from friends/);
        await lab.stack.previewsNothing();
    });

    it("has more instances on the machines that there are", async () => {
        await lab.losesNothing(() => lab.change({ webapp: { count: 3, perMachine: 2 } }));
        await lab.answers("webapp-1 webapp-2 webapp-3");
        await lab.losesNothing(() => lab.change({ webapp: { count: 2, perMachine: 2 } }));
        await lab.answers("webapp-1 webapp-2");
    });

    it("learns of instances in each form, and changes between them without a failed request", async () => {
        for (const discovery of ["interval", "events", "watch"]) {
            await lab.losesNothing(() => lab.change({ discovery, interval: "2s" }));
            await lab.losesNothing(async () => {
                await lab.on("web-1", "systemctl", "stop", "webapp@1.service");
                await lab.on("web-1", "systemctl", "start", "webapp@1.service");
                await lab.answers("webapp-1 webapp-2", 60);
            });
        }
    });

    it("replaces every machine, one at a time, and loses no acknowledged write", async () => {
        const ids = new Map((await lab.members()).map(({ name, id }) => [name, id]));
        const log = new MachineLog(lab, machines);
        let story: string[] = [];
        const writes = await withWrites(lab, async () => {
            try {
                const { ports } = lab.stack;
                await lab.change({ ports: { ...ports, ssh: Number(ports["ssh"]) - 150 } });
            } finally {
                story = await log.stop();
            }
        });
        // Twice those that are waited for before and after.
        assert.ok(writes.acknowledged.length > 20, `only ${writes.acknowledged.length} writes`);
        const order = story.filter((line) => line.startsWith("destroy ")).map((line) => line.split(" ")[1]!);
        assert.deepEqual([...order].sort(), [...machines].sort());
        assert.deepEqual(
            story,
            order.flatMap((name) => [`destroy ${name}`, `start ${name}`]),
        );
        const now = await lab.members();
        assert.deepEqual(now.map(({ name }) => name).sort(), members);
        for (const { name, id, learner } of now) {
            assert.notEqual(id, ids.get(name), `${name} is a new member`);
            assert.equal(learner, false, name);
        }
        await lab.answers("webapp-1 webapp-2", 60);
        await lab.stack.previewsNothing();
    });
});

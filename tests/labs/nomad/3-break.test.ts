import * as assert from "node:assert/strict";

import { leavesInTime } from "../../support/departure";
import { docker, nestedContainers } from "../../support/docker";
import { startLoad } from "../../support/load";
import { lab } from "../../support/nomad-lab";
import { eventually } from "../../support/poll";

describe("nomad lab: things that break", function () {
    this.timeout("15m");

    before("bring it up", () => lab.ensureUp());

    /** Kills the process of a job's container inside the machine, as a crash would. */
    async function kill(task: string): Promise<string> {
        const victim = (await nestedContainers(lab.machine)).find(({ name }) => name.startsWith(`${task}-`));
        assert.ok(victim, `no container of ${task} runs in the machine`);
        await lab.inside("docker", "kill", "--signal", "KILL", victim.id);
        return victim.id;
    }

    it("replaces a killed instance, and nearly no request notices", async () => {
        const load = startLoad({ url: lab.url("webapp") });
        const victim = await kill("server");
        await eventually("the killed container is no longer there", async () => {
            const containers = await nestedContainers(lab.machine);
            assert.ok(!containers.some(({ id }) => id === victim));
            assert.equal(containers.filter(({ name }) => name.startsWith("server-")).length, 3);
        });
        await lab.balances(3, { within: 60 });
        const { requests, failed } = await load.stop();
        console.log(`        killing an instance: ${failed} of ${requests} requests failed`);
        assert.ok(failed <= requests / 100, `${failed} of ${requests} requests failed`);
    });

    it("tries a dead instance, and a silent one, no longer than the output says", async () => {
        // Nobody but HAProxy notices: the median would be zero if nothing had been tried, and the test would see nothing.
        assert.ok((await leavesInTime(lab, "death")) > 0, "no attempt was made to reach the dead instance");
        assert.ok((await leavesInTime(lab, "silence")) > 0, "no request went to the silent instance");
    });

    it("brings HAProxy back after it was killed", async () => {
        const victim = await kill("haproxy");
        await eventually("another HAProxy runs", async () => {
            const now = (await nestedContainers(lab.machine)).filter(({ name }) =>
                name.startsWith("haproxy-"),
            );
            assert.ok(now.length === 1 && now[0]?.id !== victim, JSON.stringify(now));
        });
        await lab.works(3);
    });

    it("comes back with its data after the machine was restarted", async () => {
        await lab.consul("/v1/kv/kept", { method: "PUT", body: "through the restart" });
        const before = await lab.nomad<{ ID: string }[]>("/v1/nodes");
        const version = (await lab.nomad<{ Version: number }>("/v1/job/demo-webapp")).Version;

        await docker("restart", "--time", "60", lab.machine);

        await eventually(
            "the key is still in Consul",
            async () => {
                const [entry] = await lab.consul<{ Value: string }[]>("/v1/kv/kept");
                assert.equal(Buffer.from(entry?.Value ?? "", "base64").toString(), '"through the restart"');
            },
            { within: 90 },
        );
        await lab.works(3, { within: 120 });
        // A server that has just started answers before it has played all of its log.
        await eventually("the node has kept its identity, and the job its version", async () => {
            const after = await lab.nomad<{ ID: string }[]>("/v1/nodes");
            assert.deepEqual(
                after.map(({ ID }) => ID),
                before.map(({ ID }) => ID),
            );
            assert.equal((await lab.nomad<{ Version: number }>("/v1/job/demo-webapp")).Version, version);
        });
        await lab.consul("/v1/kv/kept", { method: "DELETE" });
    });

    it("has nothing to change afterwards", () => lab.stack.previewsNothing());

    it("finds a removed container and makes it again", async () => {
        await docker("rm", "--force", lab.stack.object("registry"));
        await lab.stack.repair();
        assert.ok((await lab.stack.inventory()).containers.includes(lab.stack.object("registry")));
        await lab.works(3);
        await lab.stack.previewsNothing();
    });
});

import * as assert from "node:assert/strict";

import { tail } from "../../support/command";
import { leavesInTime } from "../../support/departure";
import { docker } from "../../support/docker";
import { request } from "../../support/http";
import { startLoad } from "../../support/load";
import { lab } from "../../support/nomad-lab";
import { eventually } from "../../support/poll";

/** Runs something under constant load and returns what became of the requests; none may have failed. */
async function underLoad(what: () => Promise<unknown>): Promise<void> {
    const load = startLoad({ url: lab.url("webapp") });
    try {
        await what();
    } finally {
        const { requests, failed, failures } = await load.stop();
        assert.ok(requests > 100, `only ${requests} requests were made`);
        assert.equal(
            failed,
            0,
            `${failed} of ${requests} requests failed: ${JSON.stringify(failures).slice(0, 1000)}`,
        );
    }
}

describe("nomad lab: changes under load", function () {
    this.timeout("15m");

    before("bring it up", () => lab.ensureUp());

    it("sends a deregistered instance no request after the time that the output says", () =>
        leavesInTime(lab, "deregistration", 5));

    it("scales from 3 to 5 instances without a failed request", () =>
        underLoad(async () => {
            await lab.change({ webapp: { count: 5 } });
            await lab.balances(5);
        }));

    it("scales back to 3 without a failed request", () =>
        underLoad(async () => {
            await lab.change({ webapp: { count: 3 } });
            await lab.balances(3);
        }));

    it("rolls a new message without a failed request", () =>
        underLoad(async () => {
            await lab.change({ webapp: { message: "a new message" } });
            await eventually("only the new message is seen", async () => {
                for (let n = 0; n < 9; n += 1) {
                    assert.equal((await lab.greeting()).message, "Hello from a new message");
                }
            });
            await lab.balances(3);
        }));

    it("rolls a broken image back, says so, and fails no request", () =>
        underLoad(async () => {
            const image = `127.0.0.1:${lab.stack.ports.registry}/broken:1`;
            await buildBroken(image);
            await docker("push", image);
            await docker("rmi", image);
            lab.set({ webapp: { message: "a new message", image: await pulledAs("broken:1") } });
            const said = await lab.stack.refused("up");
            assert.match(said, /demo-webapp/, tail(said));
            assert.match(
                said,
                /rolled (the job )?back/,
                `up does not say that it was rolled back:\n${tail(said)}`,
            );
            assert.equal((await lab.greeting()).message, "Hello from a new message");
            await lab.balances(3);
        }));

    it("says which setting is wrong when the image does not exist, and fails no request", () =>
        underLoad(async () => {
            lab.set({ webapp: { message: "a new message", image: await pulledAs("nothing:1") } });
            const said = await lab.stack.refused("up");
            assert.match(said, /nothing:1.*not found/, tail(said));
            assert.match(said, /gatehouse:webapp\.image is .*nothing:1/, tail(said));
            assert.match(said, /rolled (the job )?back/, tail(said));
            await lab.balances(3);
        }));

    it("goes on after the image is corrected", async () => {
        await lab.change({ webapp: { message: "demo-webapp" } });
        await eventually("the corrected application answers", async () =>
            assert.equal((await lab.greeting()).message, "Hello from demo-webapp"),
        );
        await lab.balances(3);
        await lab.stack.previewsNothing();
    });

    it("tells its agents something else, replaces nothing and fails no request", async () => {
        const made = () => docker("inspect", "--format", "{{.Id}}", lab.machine);
        const versions = async () =>
            (await lab.nomad<{ ID: string; Version: number }[]>("/v1/jobs")).map(({ ID, Version }) => [
                ID,
                Version,
            ]);
        const before = [await made(), await versions()];
        await underLoad(async () => {
            await lab.change({ logLevel: "WARN" });
            await lab.balances(3);
        });
        const consul = await lab.consul<{ DebugConfig: { Logging: { LogLevel: string } } }>("/v1/agent/self");
        const nomad = await lab.nomad<{ config: { LogLevel: string } }>("/v1/agent/self");
        assert.deepEqual([consul.DebugConfig.Logging.LogLevel, nomad.config.LogLevel], ["WARN", "WARN"]);
        assert.deepEqual([await made(), await versions()], before);
        await lab.works(3);
    });

    for (const discovery of ["template", "dns"]) {
        it(`follows, scales and rolls by ${discovery}, too, without a failed request`, () =>
            underLoad(async () => {
                await lab.change({ discovery });
                await lab.balances(3);
                await lab.change({ webapp: { count: 5 } });
                await lab.balances(5);
                await lab.change({ webapp: { count: 3, message: `by ${discovery}` } });
                await eventually("only the new message is seen", async () => {
                    for (let n = 0; n < 9; n += 1) {
                        assert.equal((await lab.greeting()).message, `Hello from by ${discovery}`);
                    }
                });
                await lab.balances(3);
            }));

        it(`sends a deregistered instance no request after the time that the output says for ${discovery}`, async () => {
            assert.equal(lab.outputs.propagation?.discovery, discovery);
            await leavesInTime(lab, "deregistration", 5);
        });
    }

    it("goes back to Consul's own word without a failed request", () =>
        underLoad(async () => {
            await lab.change({ discovery: "events", webapp: { count: 3 } });
            await lab.balances(3);
            await eventually("HAProxy uses three slots", async () => {
                const { body } = await request(`${lab.url("haproxyStats")}/discovery/metrics`, {
                    auth: lab.statsAuth,
                });
                assert.match(body, /^gatehouse_discovery_slots_used\{service="demo-webapp"\} 3$/m);
            });
        }));

    it("hands other weights to HAProxy, restarts nothing and fails no request", () =>
        underLoad(async () => {
            // Those of the change before may still be about to stop.
            const ids = async () =>
                (await lab.running("demo-webapp"))
                    .filter(({ DesiredStatus }) => DesiredStatus === "run")
                    .map(({ ID }) => ID)
                    .sort();
            const before = await ids();
            await lab.change({ webapp: { count: 3, weights: { passing: 7, warning: 2 } } });
            await eventually("each server has the weight", async () => {
                const page = await request(`${lab.url("haproxyStats")}/discovery`, { auth: lab.statsAuth });
                assert.equal(page.body.match(/<td>7<\/td><\/tr>/g)?.length, 3, page.body);
            });
            assert.deepEqual(await ids(), before);
            await lab.change({ webapp: { count: 3 } });
            await lab.balances(3);
        }));

    it("refuses before anything is changed what cannot work", async () => {
        lab.set({ webapp: { count: 3, shutdownDelay: "100ms" }, haproxy: { hold: { nx: "10s" } } });
        const said = await lab.stack.refused("preview");
        lab.set({ webapp: { count: 3 }, haproxy: undefined });
        assert.match(said, /2 settings to correct; nothing was changed/, tail(said));
        assert.match(
            said,
            /gatehouse:webapp\.shutdownDelay: 100ms is shorter.*; set at least \d+m?s/,
            tail(said),
        );
        assert.match(said, /gatehouse:haproxy\.hold\.nx: does nothing with discovery events/, tail(said));
    });

    it("repairs what somebody removed by hand", async () => {
        await lab.nomad("/v1/job/countdash?purge=true", { method: "DELETE" });
        await eventually("the job is gone", async () => {
            const jobs = await lab.nomad<{ ID: string }[]>("/v1/jobs");
            assert.ok(!jobs.some(({ ID }) => ID === "countdash"), "countdash is still listed");
        });
        await lab.stack.repair();
        await lab.works(3);
        await lab.stack.previewsNothing();
    });
});

/** An image whose program starts and fails: the build needs nothing from outside. */
async function buildBroken(image: string): Promise<void> {
    const base = (
        await docker("inspect", "--format", "{{.Config.Image}}", lab.stack.object("registry"))
    ).trim();
    const container = (await docker("create", "--entrypoint", "/bin/false", base)).trim();
    try {
        await docker(
            "commit",
            "--change",
            'ENTRYPOINT ["/bin/false"]',
            "--change",
            "CMD []",
            container,
            image,
        );
    } finally {
        await docker("rm", "--volumes", container);
    }
}

/** The name by which the machines pull an image of the lab's registry. */
async function pulledAs(name: string): Promise<string> {
    const job = await lab.nomad<{ TaskGroups: { Tasks: { Config: { image: string } }[] }[] }>(
        "/v1/job/demo-webapp",
    );
    const registry = job.TaskGroups[0]?.Tasks[0]?.Config.image.split("/")[0];
    return `${registry}/${name}`;
}

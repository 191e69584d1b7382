import * as assert from "node:assert/strict";

import { complaints, requireEntrance } from "../../../rehearsal/steps";
import type { Rehearsal } from "../../../rehearsal/rehearsal";
import { tail } from "../../support/command";
import { eventually } from "../../support/poll";
import { rehearsal, stack } from "../../support/linode-lab";

const machines = ["server-1", "server-2", "server-3", "client-1", "client-2", "registry"];

/** Everything that the stack has in the account. */
const complete = [
    ...machines.flatMap((name) => [`linode gatehouse-linode-${name}`, `firewall gatehouse-linode-${name}`]),
    "nodebalancer gatehouse-linode-ingress",
    "placement_group gatehouse-linode-servers",
    "subnet gatehouse-linode-subnet-10-230-0-0-24",
    "vpc gatehouse-linode-vpc",
].sort();

describe("linode: from nothing to URLs", function () {
    this.timeout("20m");

    let lab: Rehearsal;

    before(async () => {
        lab = await rehearsal();
    });

    it("a token that is wrong or missing is refused before anything is made", async () => {
        for (const [token, told] of [
            ["wrong", /linode:token/],
            ["", /LINODE_TOKEN/],
        ] as const) {
            const { code, output } = await lab.run("preview", [], { LINODE_TOKEN: token });
            assert.notEqual(code, 0);
            assert.match(output, told);
            assert.match(output, /cloud\.linode\.com\/profile\/tokens/);
        }
    });

    it("so are a region and a type that do not exist, and what is sold out, all at once", async () => {
        lab.configure({ "linode.region": "nl-amz", "linode.type": "g6-standard-3" });
        const unknown = await lab.run("preview");
        assert.notEqual(unknown.code, 0);
        assert.match(unknown.output, /gatehouse:linode\.region: .*nl-amz.*nl-ams/);
        assert.match(unknown.output, /gatehouse:linode\.type: .*g6-standard-3/);
        lab.configure({});
        lab.emulator.soldOut.add("nl-ams/g6-standard-1");
        const soldOut = await lab.run("preview");
        lab.emulator.soldOut.clear();
        assert.notEqual(soldOut.code, 0);
        assert.match(soldOut.output, /gatehouse:linode\.type: .*g6-standard-1.*nl-ams/);
    });

    it("a quota that is reached is told with the settings, and down leaves nothing", async () => {
        lab.emulator.limits.instances = 0;
        const { code, output } = await lab.run("up");
        assert.notEqual(code, 0);
        assert.match(output, /Account Limit reached/);
        assert.match(output, /gatehouse:servers\.count, gatehouse:clients\.count/);
        lab.emulator.limits.instances = undefined;
        await lab.must("down");
        assert.deepEqual(lab.inventory(), []);
    });

    it("the first preview shows everything, with its price, and complains of nothing", async () => {
        const { output } = await lab.must("preview");
        assert.deepEqual(complaints(output), []);
        for (const name of machines) {
            assert.match(output, new RegExp(`linode:index/instance:Instance::${name}\\]`));
            assert.match(output, new RegExp(`linode:index/firewall:Firewall::${name}-firewall\\]`));
        }
        for (const job of ["demo-webapp", "haproxy", "countdash"]) {
            assert.match(output, new RegExp(`nomad:index/job:Job::\\S*${job}`));
        }
        for (const name of ["urls", "jobs", "machines", "environment", "topology", "cost"]) {
            assert.match(output, new RegExp(`^\\s*\\+?\\s*${name}\\s*:`, "m"), `output ${name}`);
        }
        assert.match(output, /\$/);
        assert.deepEqual(lab.inventory(), [], "a preview makes nothing");
    });

    it("an up that is killed while it makes machines is finished by the next one", async () => {
        lab.emulator.freeze();
        const up = lab.run("up");
        await eventually(
            "three machines are on their way",
            () =>
                assert.ok(
                    lab.emulator.log.entries.filter(
                        ({ method, path, status }) =>
                            method === "POST" && path === "/linode/instances" && status === 200,
                    ).length >= 3,
                ),
            { within: 300 },
        );
        await lab.kill();
        assert.notEqual((await up).code, 0);
        lab.emulator.thaw();
        const { output } = await lab.must("up");
        assert.deepEqual(complaints(output), []);
        assert.deepEqual(lab.inventory(), complete, tail(output));
    });

    it("the page is there through the NodeBalancer, for all of its requests, with the client's address", async () => {
        // Each of the two HAProxies hears of instances in its own time; a request that fails ends this at once.
        let said = await requireEntrance(lab, stack);
        for (const end = Date.now() + 60_000; !/ 3 instances /.test(said) && Date.now() < end;) {
            said = await requireEntrance(lab, stack);
        }
        assert.match(said, /60 of 60 answered by 3 instances through 2 nodes/);
    });

    it("a second preview has nothing to do", async () => {
        await lab.previewsNothing();
    });
});

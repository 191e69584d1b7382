import * as assert from "node:assert/strict";
import { rmSync } from "node:fs";

import { restore, type RestoreOptions } from "../../../snapshots/restore";
import type { Cluster } from "../../../snapshots/stack";
import { LocalStore } from "../../../snapshots/store";

describe("a restore that cannot be", () => {
    const cluster: Cluster = {
        stack: "unit-nothing",
        systems: ["consul", "nomad"],
        datacenter: "dc1",
        interval: 3600,
        keep: 24,
        keyPem: "PRIVATE KEY",
        servers: {},
        environment: {},
    };
    const refused = async (options: RestoreOptions, why: RegExp, remedy: RegExp, systems = cluster.systems) =>
        assert.rejects(
            restore({ ...cluster, systems }, options, () => undefined),
            (error: Error & { remedy?: string }) => {
                assert.match(error.message, why);
                assert.match(error.remedy ?? "", remedy);
                return true;
            },
        );

    after(() => rmSync(new LocalStore(cluster.stack).folder, { recursive: true }));

    it("says so where there is no snapshot at all, and how to get one", () =>
        refused({}, /no snapshot of consul and nomad, neither on/, /make snapshot STACK=unit-nothing/));

    it("wants to know what a moment is", () =>
        refused({ from: "yesterday" }, /FROM=yesterday is no moment/, /FROM=20261121T192400Z/));

    it("replaces the running cluster's data only when told which, and the stack's name again", async () => {
        const from = "20261121T192400Z";
        const whole = /INTO=running FROM=.* CONFIRM=unit-nothing/;
        await refused({ into: "running" }, /INTO=running replaces everything/, whole);
        await refused({ into: "running", from }, /INTO=running replaces everything/, whole);
        await refused({ into: "running", confirmed: "unit-nothing" }, /INTO=running replaces/, whole);
        await refused({ into: "running", from, confirmed: "other" }, /INTO=running replaces/, whole);
        await refused({ into: "elsewhere" }, /INTO=elsewhere: there is no such place/, /INTO=running/);
    });

    it("knows nothing of what a later checkout takes snapshots of, and says so", () =>
        refused({}, /takes snapshots of vault, which/, /this one knows consul, nomad, etcd/, ["vault"]));
});

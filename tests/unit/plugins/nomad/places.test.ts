import assert from "node:assert/strict";

import { nomadProvider } from "../../../../plugins/nomad/provider";
import { startNomad, type Agent } from "../../../support/agents";
import { eventually } from "../../../support/poll";
import { ProviderHarness } from "../../../support/provider-harness";
import { Resources } from "../resources";

describe("the nomad plugin's namespaces and node pools, on a real agent", () => {
    let agent: Agent;
    let provider: ProviderHarness;
    let namespaces: Resources;
    let pools: Resources;

    before(async function () {
        this.timeout(60_000);
        agent = await startNomad();
        provider = await ProviderHarness.start(nomadProvider, { address: agent.address });
        namespaces = new Resources(provider, "nomad:index/namespace:Namespace");
        pools = new Resources(provider, "nomad:index/nodePool:NodePool");
    });
    after(async function () {
        this.timeout(60_000);
        provider?.close();
        await agent?.stop();
    });

    async function tell(method: string, path: string, body?: unknown): Promise<void> {
        const response = await fetch(`${agent.address}/v1/${path}`, { method, body: JSON.stringify(body) });
        assert.equal(response.status, 200, await response.text());
    }

    /** A job that waits for a node that never comes. */
    const idle = (place: object): object => ({
        Job: {
            ID: "idle",
            Type: "batch",
            Datacenters: ["nowhere"],
            ...place,
            TaskGroups: [
                { Name: "a", Tasks: [{ Name: "a", Driver: "raw_exec", Config: { command: "/bin/true" } }] },
            ],
        },
    });

    describe("Namespace", () => {
        it("is created, changed, imported, removed and made anew", async () => {
            const args = {
                name: "apps",
                description: "applications",
                meta: { owner: "a" },
                capabilities: { enabledTaskDrivers: ["docker", "exec"], disabledTaskDrivers: ["raw_exec"] },
            };
            const made = await namespaces.made(args);
            assert.equal(made.id, "apps");
            await namespaces.isSettled(made);
            assert.deepEqual((await provider.read(namespaces.type, "apps"))?.inputs, args);

            const news = { name: "apps", meta: { owner: "b" } };
            assert.deepEqual((await namespaces.diff(made, news)).replaces, []);
            const changed = await namespaces.updated(made, news);
            await namespaces.isSettled(changed);
            assert.deepEqual((await namespaces.diff(made, { name: "b" })).replaces, ["name"]);

            await tell("PUT", "namespace/apps", { Name: "apps", Description: "by hand" });
            const drifted = await namespaces.read(changed);
            assert.deepEqual((await namespaces.diff(drifted!, news)).paths, {
                description: "DELETE",
                "meta.owner": "ADD",
            });
            await tell("DELETE", "namespace/apps");
            await namespaces.removed(await namespaces.isRecreated(changed));
            assert.equal(await provider.read(namespaces.type, "apps"), undefined);
        });

        it("waits for jobs that stop", async () => {
            const made = await namespaces.made({ name: "busy" });
            await tell("PUT", "jobs", idle({ Namespace: "busy" }));
            const removed = namespaces.removed(made);
            await waits("busy");
            await tell("DELETE", "job/idle?namespace=busy");
            await removed;
            assert.equal(await namespaces.read(made), undefined);
        });

        it("becomes what it was if it is the default one", async () => {
            const made = await namespaces.made({ name: "default", description: "ours", meta: { a: "b" } });
            await namespaces.removed(made);
            const { inputs } = (await provider.read(namespaces.type, "default"))!;
            assert.deepEqual(inputs, { name: "default", description: "Default shared namespace" });
        });

        it("explains refusals, and can be named automatically", async () => {
            await assert.rejects(
                namespaces.made({ name: "a b" }),
                /Nomad refuses the namespace "a b": .*a b/,
            );
            assert.deepEqual(await namespaces.refused({ nodePoolConfig: {} }), ["nodePoolConfig"]);
            assert.match(String((await namespaces.checked({})).name), /^it-[0-9a-f]{7}$/);
            await namespaces.planned({}, "name", "meta");
        });
    });

    describe("NodePool", () => {
        it("is created, changed, imported, removed and made anew", async () => {
            const args = { name: "gpu", description: "fast", meta: { owner: "a" } };
            const made = await pools.made(args);
            assert.equal(made.id, "gpu");
            await pools.isSettled(made);
            assert.deepEqual((await provider.read(pools.type, "gpu"))?.inputs, args);

            const news = { name: "gpu", description: "faster" };
            const diff = await pools.diff(made, news);
            assert.deepEqual([diff.paths, diff.replaces], [{ description: "UPDATE", meta: "DELETE" }, []]);
            const changed = await pools.updated(made, news);
            await pools.isSettled(changed);
            assert.deepEqual((await pools.diff(made, { name: "b" })).replaces, ["name"]);

            await tell("PUT", "node/pools", { Name: "gpu", Description: "by hand" });
            const drifted = await pools.read(changed);
            assert.deepEqual((await pools.diff(drifted!, news)).paths, { description: "UPDATE" });
            await tell("DELETE", "node/pool/gpu");
            await pools.removed(await pools.isRecreated(changed));
            assert.equal(await pools.read(changed), undefined);
        });

        it("waits for jobs that stop", async () => {
            const made = await pools.made({ name: "used" });
            await tell("PUT", "jobs", idle({ NodePool: "used" }));
            const removed = pools.removed(made);
            await waits("used");
            await tell("DELETE", "job/idle");
            await removed;
            assert.equal(await pools.read(made), undefined);
        });

        it("explains refusals", async () => {
            const spread = { schedulerAlgorithm: "spread", memoryOversubscription: "disabled" };
            await assert.rejects(
                pools.made({ name: "x", schedulerConfig: spread }),
                /Nomad refuses the node pool "x": .*Node Pools Governance.*unlicensed/,
            );
            const wrong = { name: "x".repeat(129), schedulerConfig: { schedulerAlgorithm: "best" } };
            assert.deepEqual(await pools.refused({ ...wrong, description: "x".repeat(257), size: 1 }), [
                "description",
                "name",
                "schedulerConfig.schedulerAlgorithm",
                "size",
            ]);
            await pools.planned({}, "name", "description");
        });
    });

    /** Until the removal has said that it waits for jobs of this place. */
    async function waits(name: string): Promise<void> {
        await eventually(`the removal of "${name}" waits`, () => {
            const said = provider.logs.map(({ message }) => message);
            assert.ok(
                said.some((message) => message.includes(`"${name}"`) && message.includes("non-terminal")),
                said.join("\n"),
            );
        });
    }
});

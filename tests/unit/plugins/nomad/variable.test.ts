import assert from "node:assert/strict";

import { nomadProvider } from "../../../../plugins/nomad/provider";
import { startNomad, type Agent } from "../../../support/agents";
import { plain, ProviderHarness, Secret } from "../../../support/provider-harness";

import type { Values } from "../../../../plugins/lib";

const type = "nomad:index/variable:Variable";

describe("the nomad plugin's variables, on a real agent", () => {
    let agent: Agent;
    let provider: ProviderHarness;

    before(async function () {
        this.timeout(60_000);
        agent = await startNomad();
        provider = await ProviderHarness.start(nomadProvider, { address: agent.address });
    });
    after(async function () {
        this.timeout(60_000);
        provider?.close();
        await agent?.stop();
    });

    async function checked(args: Values): Promise<Values> {
        const { inputs, failures } = await provider.check(type, args);
        assert.deepEqual(failures, []);
        return inputs;
    }

    it("creates, reads, updates, imports and deletes, with secret items", async () => {
        const inputs = await checked({
            path: "nomad/jobs/web",
            items: new Secret({ user: "a", password: "b${c}" }),
        });
        const { id, outputs } = await provider.create(type, inputs);
        assert.equal(id, "nomad/jobs/web@default");
        assert.ok(outputs.items instanceof Secret);
        const read = await provider.read(type, id, outputs, inputs);
        assert.deepEqual(read?.inputs, inputs);
        assert.ok(read?.outputs.items instanceof Secret);

        const news = await checked({ path: "nomad/jobs/web", items: new Secret({ user: "c" }) });
        assert.deepEqual((await provider.diff(type, id, outputs, inputs, news)).replaces, []);
        const updated = await provider.update(type, id, outputs, inputs, news);
        assert.deepEqual(plain(updated).items, { user: "c" });
        const imported = await provider.read(type, id);
        assert.deepEqual(plain(imported!.outputs), {
            path: "nomad/jobs/web",
            namespace: "default",
            items: { user: "c" },
        });
        assert.ok(imported!.outputs.items instanceof Secret);

        const moved = await checked({ path: "elsewhere", items: { user: "c" } });
        assert.deepEqual((await provider.diff(type, id, updated, news, moved)).replaces, ["path"]);
        await provider.delete(type, id, updated);
        await provider.delete(type, id, updated);
        assert.equal(await provider.read(type, id, updated, news), undefined);
    });

    it("refuses paths that Nomad does not take", async () => {
        for (const path of ["a.b", "a@b", "", "x".repeat(129), "nomad", "nomad/x", "nomad/job-templates"]) {
            const { failures } = await provider.check(type, { path, items: { a: "b" } });
            assert.deepEqual(
                failures.map(({ property }) => property),
                ["path"],
                path,
            );
        }
        await checked({ path: "nomad/job-templates/x", items: { a: "b" } });
    });
});

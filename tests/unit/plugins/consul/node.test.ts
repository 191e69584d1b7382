/* eslint-disable @typescript-eslint/no-explicit-any -- answers of an agent's API are looked into as they come */
import assert from "node:assert/strict";

import { consulProvider } from "../../../../plugins/consul/provider";
import { startConsul, type Agent } from "../../../support/agents";
import { plain, ProviderHarness } from "../../../support/provider-harness";
import { Resources, type Made } from "../resources";

import type { Values } from "../../../../plugins/lib";

const nodeType = "consul:index/node:Node";
const serviceType = "consul:index/service:Service";

describe("the consul plugin's nodes, on a real agent", () => {
    let agent: Agent;
    let provider: ProviderHarness;
    let number = 0;
    /** A node of its own for every test. */
    let node: string;

    before(async function () {
        this.timeout(60_000);
        agent = await startConsul();
        provider = await ProviderHarness.start(consulProvider, {
            address: agent.address.replace("http://", ""),
            datacenter: "dc1",
        });
    });
    beforeEach(() => (node = `edge-${++number}`));
    after(async () => {
        provider?.close();
        await agent?.stop();
    });

    const ask = async (path: string): Promise<any> => (await fetch(`${agent.address}/v1/${path}`)).json();

    const checked = (args: Values): Promise<Values> => new Resources(provider, nodeType).checked(args);
    const external = { "external-node": "true", "external-probe": "false" };
    const makeNode = (): Promise<Made> =>
        new Resources(provider, nodeType).made({ name: node, address: "10.1.0.1", meta: external });

    it("is created, read, changed and removed with its services", async () => {
        const { id, outputs, inputs } = await makeNode();
        assert.equal(id, `${node}-10.1.0.1`);
        assert.equal(outputs.datacenter, "dc1");
        assert.deepEqual((await ask(`catalog/node/${node}`)).Node.Meta, external);

        const read = await provider.read(nodeType, id, outputs, inputs);
        assert.deepEqual(read, { id, outputs, inputs });
        assert.deepEqual((await provider.diff(nodeType, id, outputs, inputs, inputs)).paths, {});

        const renamed = await checked({ ...inputs, meta: { "external-node": "true" } });
        const diff = await provider.diff(nodeType, id, outputs, inputs, renamed);
        assert.deepEqual(diff.paths, { 'meta["external-probe"]': "DELETE" });
        await provider.update(nodeType, id, outputs, inputs, renamed);
        assert.deepEqual((await ask(`catalog/node/${node}`)).Node.Meta, { "external-node": "true" });

        const service = await new Resources(provider, serviceType).made({
            name: "web",
            node,
            checks: [
                {
                    checkId: "up",
                    name: "answers",
                    http: "http://10.1.0.1/",
                    interval: "5s",
                    timeout: "1s",
                },
            ],
        });
        await provider.delete(nodeType, id, plain(outputs));
        assert.equal(await ask(`catalog/node/${node}`), null);
        assert.deepEqual(await ask(`health/node/${node}`), []);
        // The engine removes what depends on it before, but a refresh in between must not be needed either.
        await provider.delete(serviceType, service.id, plain(service.outputs));
        await provider.delete(nodeType, id, plain(outputs));
        assert.equal(await provider.read(nodeType, id, outputs, inputs), undefined);
    });

    it("is replaced at another address, and sees that somebody has moved it", async () => {
        const { id, outputs, inputs } = await makeNode();
        const moved = await checked({ ...inputs, address: "10.1.0.2" });
        const diff = await provider.diff(nodeType, id, outputs, inputs, moved);
        assert.deepEqual(diff.replaces, ["address"]);
        assert.equal(diff.deleteBeforeReplace, true);

        const elsewhere = { Node: node, Address: "10.1.0.3", NodeMeta: external };
        await fetch(`${agent.address}/v1/catalog/register`, {
            method: "PUT",
            body: JSON.stringify(elsewhere),
        });
        const drifted = await provider.read(nodeType, id, outputs, inputs);
        assert.equal(drifted?.inputs.address, "10.1.0.3");
    });

    it("can be imported by its name, and named automatically", async () => {
        const { id, inputs } = await makeNode();
        const imported = await provider.read(nodeType, node);
        assert.equal(imported?.id, id);
        assert.deepEqual(imported?.inputs, inputs);
        assert.match(String((await checked({ address: "10.1.0.1" })).name), /^it-[0-9a-f]{7}$/);
        assert.equal(await provider.read(nodeType, "nowhere"), undefined);
    });
});

/* eslint-disable @typescript-eslint/no-explicit-any -- answers of an agent's API are looked into as they come */
import assert from "node:assert/strict";

import { consulProvider } from "../../../../plugins/consul/provider";
import { startConsul, type Agent } from "../../../support/agents";
import { plain, ProviderHarness, UNKNOWN } from "../../../support/provider-harness";

import type { Values } from "../../../../plugins/lib";

const type = "consul:index/configEntry:ConfigEntry";

describe("the consul plugin's config entries, on a real agent", () => {
    let agent: Agent;
    let provider: ProviderHarness;

    before(async function () {
        this.timeout(60_000);
        agent = await startConsul();
        provider = await ProviderHarness.start(consulProvider, {
            address: agent.address.replace("http://", ""),
            datacenter: "dc1",
        });
    });

    after(async () => {
        provider?.close();
        await agent?.stop();
    });

    const ask = async (path: string): Promise<any> => {
        const response = await fetch(`${agent.address}/v1/config/${path}`);
        return response.ok ? response.json() : undefined;
    };

    async function checked(args: Values): Promise<Values> {
        const { inputs, failures } = await provider.check(type, args);
        assert.deepEqual(failures, []);
        return inputs;
    }

    const intentions = (...sources: Values[]): Values => ({
        kind: "service-intentions",
        name: "count-api",
        configJson: JSON.stringify({ Sources: sources }),
    });
    const dashboard = { Name: "count-dashboard", Action: "allow" };
    const everyone = { name: "*", action: "deny" };

    it("creates, finds nothing to do on a second look, sees drift, updates, deletes", async () => {
        const inputs = await checked(intentions(everyone, dashboard));
        const { id, outputs } = await provider.create(type, inputs);
        assert.equal(id, "service-intentions-count-api");
        const { Sources } = await ask("service-intentions/count-api");
        assert.deepEqual(
            Sources.map((source: any) => `${source.Action} ${source.Name}`),
            ["allow count-dashboard", "deny *"],
        );

        const read = await provider.read(type, id, outputs, inputs);
        assert.deepEqual(read?.inputs, inputs);
        // As the official plugin wants it, with what the servers add; in another order and spelling.
        const spelled = await checked(
            intentions({ ...dashboard, Type: "consul", Precedence: 9 }, { action: "deny", name: "*" }),
        );
        assert.deepEqual((await provider.diff(type, id, outputs, inputs, spelled)).paths, {});

        await fetch(`${agent.address}/v1/config`, {
            method: "PUT",
            body: JSON.stringify({
                Kind: "service-intentions",
                Name: "count-api",
                Sources: [{ ...dashboard, Action: "deny" }],
            }),
        });
        const drifted = await provider.read(type, id, outputs, inputs);
        assert.match(String(drifted!.inputs.configJson), /deny/);
        const diff = await provider.diff(type, id, drifted!.outputs, drifted!.inputs, inputs);
        assert.deepEqual(diff.paths, { configJson: "UPDATE" });
        await provider.update(type, id, drifted!.outputs, drifted!.inputs, inputs);
        assert.equal((await ask("service-intentions/count-api")).Sources.length, 2);

        await provider.delete(type, id, plain(outputs));
        assert.equal(await ask("service-intentions/count-api"), undefined);
        assert.equal(await provider.read(type, id, outputs, inputs), undefined);
        await provider.delete(type, id, plain(outputs));
    });

    it("takes the wildcard destination, service defaults, and other kinds", async () => {
        const entries: Values[] = [
            {
                kind: "service-intentions",
                name: "*",
                configJson: '{"Sources":[{"Name":"*","Action":"deny"}]}',
            },
            {
                kind: "service-defaults",
                name: "web",
                configJson: '{"protocol":"http","max_inbound_connections":"7"}',
            },
            {
                kind: "proxy-defaults",
                name: "global",
                configJson: '{"Config":{"envoy_prometheus_bind_addr":"0.0.0.0:9102"}}',
            },
        ];
        for (const entry of entries) {
            const inputs = await checked(entry);
            const { id, outputs } = await provider.create(type, inputs);
            const read = await provider.read(type, id, outputs, inputs);
            assert.deepEqual(read?.inputs, inputs, String(entry.kind));
            const imported = await provider.read(type, `${String(entry.kind)}/${String(entry.name)}`);
            assert.equal(imported?.id, id);
            assert.equal(imported?.inputs.name, entry.name);
            assert.deepEqual(
                (await provider.diff(type, id, imported!.outputs, imported!.inputs, inputs)).replaces,
                [],
            );
            await provider.delete(type, id, plain(outputs));
        }
    });

    it("replaces on another kind or name, and names what has none", async () => {
        const inputs = await checked(intentions(dashboard));
        const other = await checked({ ...intentions(dashboard), name: "other" });
        assert.deepEqual((await provider.diff(type, "x", inputs, inputs, other)).replaces, ["name"]);
        assert.match(String((await checked({ kind: "service-defaults" })).name), /^it-[0-9a-f]{7}$/);
    });

    it("explains refusals", async () => {
        const wrong = await checked({
            kind: "service-defaults",
            name: "web",
            configJson: '{"Protokoll":"http"}',
        });
        await assert.rejects(
            provider.create(type, wrong),
            /Consul refuses the service-defaults entry "web": [^]*Protokoll/,
        );
        const { failures } = await provider.check(type, {
            kind: "service-defaults",
            configJson: "{",
            colour: "red",
        });
        assert.deepEqual(failures.map(({ property }) => property).sort(), ["colour", "configJson"]);
        await assert.rejects(provider.read(type, "nonsense"), /use <kind>\/<name>/);
    });

    it("previews while nothing is known, and needs no agent for it", async () => {
        const offline = await ProviderHarness.start(consulProvider, { address: UNKNOWN, datacenter: "dc1" });
        const { inputs } = await offline.check(type, {
            kind: "service-defaults",
            name: "web",
            configJson: UNKNOWN,
        });
        const planned = await offline.create(type, inputs, { preview: true });
        assert.equal(planned.outputs.configJson, UNKNOWN);
        assert.equal(planned.outputs.name, "web");
        offline.close();
    });
});

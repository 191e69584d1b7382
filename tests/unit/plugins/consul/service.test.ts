/* eslint-disable @typescript-eslint/no-explicit-any -- answers of an agent's API are looked into as they come */
import assert from "node:assert/strict";

import { consulProvider } from "../../../../plugins/consul/provider";
import { startConsul, type Agent } from "../../../support/agents";
import { plain, ProviderHarness, UNKNOWN } from "../../../support/provider-harness";

import type { Values } from "../../../../plugins/lib";

const nodeType = "consul:index/node:Node";
const serviceType = "consul:index/service:Service";

describe("the consul plugin's services, on a real agent", () => {
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
    const tell = async (path: string, body: unknown): Promise<void> => {
        const { status } = await fetch(`${agent.address}/v1/${path}`, {
            method: "PUT",
            body: JSON.stringify(body),
        });
        assert.equal(status, 200);
    };

    async function checked(type: string, args: Values): Promise<Values> {
        const { inputs, failures } = await provider.check(type, args);
        assert.deepEqual(failures, []);
        return inputs;
    }
    async function made(
        type: string,
        args: Values,
    ): Promise<{ id: string; outputs: Values; inputs: Values }> {
        const inputs = await checked(type, args);
        return { ...(await provider.create(type, inputs)), inputs };
    }
    const external = { "external-node": "true", "external-probe": "false" };
    const makeNode = (args: Values = {}): ReturnType<typeof made> =>
        made(nodeType, { name: node, address: "10.1.0.1", meta: external, ...args });

    const http = { checkId: "up", name: "answers", http: "http://10.1.0.1/", interval: "5s", timeout: "1s" };
    const web = (args: Values = {}): Values => ({
        name: "web",
        node,
        serviceId: `web-${node}`,
        port: 8080,
        tags: ["routed"],
        meta: { version: "1" },
        checks: [http],
        ...args,
    });
    const checksOf = (name = node): Promise<any[]> => ask(`health/node/${name}`);

    /** What a monitor does: nothing but another status. */
    async function judge(status: string): Promise<void> {
        const [{ Node, CheckID, Name, ServiceID, Definition, ModifyIndex }] = await checksOf();
        const check = { Node, CheckID, Name, ServiceID, Definition, ModifyIndex };
        await tell("txn", [{ Check: { Verb: "cas", Check: { ...check, Status: status, Output: "seen" } } }]);
    }

    beforeEach(async () => void (await makeNode()));

    it("is registered with its check, which is critical until somebody has looked", async () => {
        const { id, outputs } = await made(serviceType, web({ weights: { passing: 10 } }));
        assert.equal(id, `web-${node}`);
        assert.equal(outputs.address, "10.1.0.1");
        assert.equal(outputs.datacenter, "dc1");
        const service = (await ask(`catalog/node/${node}`)).Services[id];
        assert.equal(service.Port, 8080);
        assert.deepEqual(service.Tags, ["routed"]);
        assert.deepEqual(service.Meta, { version: "1", "external-source": "terraform" });
        assert.deepEqual(service.Weights, { Passing: 10, Warning: 1 });
        const [check] = await checksOf();
        assert.equal(check.Status, "critical");
        assert.equal(check.ServiceID, id);
        assert.deepEqual(check.Definition, {
            HTTP: "http://10.1.0.1/",
            Method: "GET",
            Interval: "5s",
            Timeout: "1s",
            DeregisterCriticalServiceAfter: "30s",
        });
        assert.deepEqual((await ask(`catalog/node/${node}`)).Node.Meta, external);
    });

    it("has its name for an id where none is given, and no difference to itself", async () => {
        const every = {
            ...http,
            checkId: "every",
            notes: "all of it",
            method: "PUT",
            tlsSkipVerify: true,
            status: "passing",
            interval: "90s",
            deregisterCriticalServiceAfter: "0s",
            headers: [{ name: "X-Ask", values: ["a", "b"] }],
        };
        const tcp = {
            checkId: "tcp",
            name: "port",
            tcp: "10.1.0.1:8080",
            interval: "1s",
            timeout: "500ms",
        };
        const { id, outputs, inputs } = await made(serviceType, {
            name: "web",
            node,
            address: "10.1.0.9",
            weights: { passing: 3 },
            enableTagOverride: true,
            checks: [tcp, every],
        });
        assert.equal(id, "web");
        assert.equal(outputs.serviceId, "web");
        const read = await provider.read(serviceType, id, outputs, inputs);
        assert.deepEqual(read, { id, outputs, inputs });

        const respelled = await checked(serviceType, {
            ...inputs,
            checks: [{ ...every, interval: "1m30s" }, tcp],
        });
        assert.deepEqual((await provider.diff(serviceType, id, outputs, inputs, respelled)).paths, {});
    });

    it("finds no change in a monitor's verdict, neither before nor after a refresh", async () => {
        for (const args of [web(), web({ checks: [{ ...http, status: "critical" }] })]) {
            const { id, outputs, inputs } = await made(serviceType, args);
            await judge("passing");
            assert.equal((await checksOf())[0].Status, "passing");
            const read = await provider.read(serviceType, id, outputs, inputs);
            assert.deepEqual(read, { id, outputs, inputs });
            const again = await checked(serviceType, args);
            assert.deepEqual(
                (await provider.diff(serviceType, id, read!.outputs, read!.inputs, again)).paths,
                {},
            );
            await provider.delete(serviceType, id, plain(outputs));
        }
    });

    it("keeps a monitor's verdict through a change, and sets a status that is newly asked for", async () => {
        const { id, outputs, inputs } = await made(serviceType, web());
        await judge("passing");
        const tagged = await checked(serviceType, web({ tags: ["routed", "blue"] }));
        const diff = await provider.diff(serviceType, id, outputs, inputs, tagged);
        assert.deepEqual(diff.paths, { "tags[1]": "ADD" });
        const updated = await provider.update(serviceType, id, outputs, inputs, tagged);
        let [check] = await checksOf();
        assert.deepEqual([check.Status, check.Output], ["passing", "seen"]);
        assert.deepEqual(check.ServiceTags, ["routed", "blue"]);

        const warned = await checked(serviceType, web({ checks: [{ ...http, status: "warning" }] }));
        await provider.update(serviceType, id, updated, tagged, warned);
        [check] = await checksOf();
        assert.equal(check.Status, "warning");
    });

    it("takes over another definition, and removes a check that is not asked for any more", async () => {
        const { id, outputs, inputs } = await made(serviceType, web());
        const other = { ...http, checkId: "other", http: "http://10.1.0.1/other" };
        const changed = await checked(serviceType, web({ checks: [other] }));
        const diff = await provider.diff(serviceType, id, outputs, inputs, changed);
        assert.deepEqual(diff.paths, { checks: "UPDATE" });
        await provider.update(serviceType, id, outputs, inputs, changed);
        const live = await checksOf();
        assert.deepEqual(
            live.map(({ CheckID, Definition }) => [CheckID, Definition.HTTP]),
            [["other", "http://10.1.0.1/other"]],
        );
    });

    it("sees what was changed by hand, and that it was removed", async () => {
        const { id, outputs, inputs } = await made(serviceType, web());
        const [check] = await checksOf();
        check.Definition.Interval = "1s";
        await tell("catalog/register", {
            Node: node,
            SkipNodeUpdate: true,
            Service: { ID: id, Service: "web", Port: 9090, Address: "10.1.0.1" },
            Check: check,
        });
        const drifted = (await provider.read(serviceType, id, outputs, inputs))!;
        const diff = await provider.diff(serviceType, id, drifted.outputs, drifted.inputs, inputs);
        assert.deepEqual(Object.keys(diff.paths).sort(), ["checks", "meta.version", "port", "tags[0]"]);
        assert.deepEqual(diff.replaces, []);
        await provider.update(serviceType, id, drifted.outputs, drifted.inputs, inputs);
        assert.deepEqual(await provider.read(serviceType, id, outputs, inputs), { id, outputs, inputs });

        await tell("catalog/deregister", { Node: node, ServiceID: id });
        assert.equal(await provider.read(serviceType, id, outputs, inputs), undefined);
        await provider.delete(serviceType, id, plain(outputs));
        const again = await provider.create(serviceType, inputs);
        assert.deepEqual(again, { id, outputs });
    });

    it("leaves the services and checks beside it alone", async () => {
        const first = await made(serviceType, web({ name: "a", serviceId: "a" }));
        const second = await made(
            serviceType,
            web({ name: "b", serviceId: "b", checks: [{ ...http, checkId: "b" }] }),
        );
        const read = await provider.read(serviceType, "a", first.outputs, first.inputs);
        assert.deepEqual(read?.inputs, first.inputs);
        const bare = await checked(serviceType, { name: "a", serviceId: "a", node });
        await provider.update(serviceType, "a", first.outputs, first.inputs, bare);
        await provider.delete(serviceType, "a", plain(first.outputs));
        assert.deepEqual(
            (await checksOf()).map(({ CheckID }) => CheckID),
            ["b"],
        );
        assert.ok(await provider.read(serviceType, "b", second.outputs, second.inputs));
    });

    it("is replaced with its node, name or id, also when the node is only known later", async () => {
        const inputs = await checked(serviceType, web());
        for (const [name, value] of Object.entries({ node: UNKNOWN, name: "x", serviceId: "x" })) {
            const diff = await provider.diff(serviceType, "web", inputs, inputs, {
                ...inputs,
                [name]: value,
            });
            assert.deepEqual(diff.replaces, [name]);
        }
    });

    it("refuses what cannot be, and says why", async () => {
        const orphan = await checked(serviceType, web({ node: "nowhere" }));
        await assert.rejects(
            provider.create(serviceType, orphan),
            /needs the node "nowhere", which Consul does not know/,
        );
        assert.equal(await ask("catalog/node/nowhere"), null);
        const refused = async (args: Values): Promise<string[]> =>
            (await provider.check(serviceType, web(args))).failures.map(({ property }) => property).sort();
        assert.deepEqual(await refused({ colour: "red", weights: { heavy: 1 } }), ["colour", "weights"]);
        const checks = [{ ...http, interval: "5 seconds" }, { checkId: "x" }];
        assert.deepEqual(await refused({ checks }), [
            "checks[0].interval",
            "checks[1].interval",
            "checks[1].name",
            "checks[1].timeout",
        ]);
        assert.deepEqual(await refused({ checks: [{ ...http, tcp: "a:1" }, http] }), [
            "checks[0]",
            "checks[1]",
        ]);
        await assert.rejects(provider.read(serviceType, "web"), /cannot be imported/);
    });

    it("previews while the node and its address are unknown", async () => {
        const inputs = await checked(
            serviceType,
            web({ node: UNKNOWN, checks: [{ ...http, http: UNKNOWN }] }),
        );
        const { outputs } = await provider.create(serviceType, inputs, { preview: true });
        assert.equal(outputs.name, "web");
        assert.equal(outputs.address, UNKNOWN);
    });
});

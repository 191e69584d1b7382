import assert from "node:assert/strict";

import {
    boolean,
    integer,
    list,
    map,
    object,
    PartialFailure,
    resource,
    set,
    string,
    type ProviderDefinition,
} from "../../../../plugins/lib";
import { initFailureOf, plain, ProviderHarness, Secret, UNKNOWN } from "../../../support/provider-harness";

interface Shelf {
    items: Map<string, Record<string, unknown>>;
}

const token = "shelf:index/jar:Jar";

const shelf: ProviderDefinition<Shelf> = {
    name: "shelf",
    version: "1.2.3",
    config: { room: string(), lights: integer() },
    configure: () => ({ items: new Map() }),
    resources: {
        [token]: resource<Shelf, Record<string, unknown>, Record<string, unknown>>({
            inputs: {
                name: string({ autoName: true, replace: true }),
                label: string({ default: "none" }),
                size: integer({
                    required: true,
                    replace: true,
                    validate: (n: number) => (n > 0 ? undefined : "must be positive"),
                }),
                lid: object({ colour: string({ required: true }), key: string({ secret: true }) }),
                tags: map(),
                notes: set(string()),
                layers: list(object({ depth: integer(), sealed: boolean({ default: false }) })),
            },
            outputs: { serial: string(), pin: string({ secret: true }) },
            changesWith: (changed) => (changed.has("label") ? ["serial"] : []),
            async create(context, inputs) {
                if (inputs.label === "broken") {
                    throw new PartialFailure("jar-1", { serial: "s1" }, ["the lid does not close"]);
                }
                if (inputs.label === "slow") {
                    context.log.status("waiting");
                    await new Promise((_, reject) =>
                        context.signal.addEventListener("abort", () =>
                            reject(context.signal.reason as Error),
                        ),
                    );
                }
                context.log.info(`made ${String(inputs.name)}`);
                context.client.items.set("jar-1", inputs);
                return { id: "jar-1", outputs: { serial: "s1", pin: "1234" } };
            },
            async read(context, id) {
                const inputs = context.client.items.get(id);
                return inputs && { outputs: { serial: "s1", pin: "1234" }, inputs };
            },
            async update(context, id, state, news) {
                context.client.items.set(id, news);
                return { serial: `${String(state.serial)}+` };
            },
            async delete(context, id) {
                context.client.items.delete(id);
            },
        }),
    },
};

describe("plugins/lib provider", () => {
    let harness: ProviderHarness;
    beforeEach(async () => {
        harness = await ProviderHarness.start(shelf);
    });
    afterEach(() => harness.close());

    it("fills in defaults, at every depth", async () => {
        const { inputs, failures } = await harness.check(token, {
            name: "a",
            size: 1,
            layers: [{ depth: 2 }],
        });
        assert.deepEqual(failures, []);
        assert.deepEqual(inputs, {
            name: "a",
            size: 1,
            label: "none",
            layers: [{ depth: 2, sealed: false }],
        });
    });

    it("reports all refusals at once, each with its path", async () => {
        const { failures } = await harness.check(token, {
            name: "a",
            size: -1,
            height: 3,
            lid: { shape: "round" },
            layers: [{ depth: "deep" }],
        });
        assert.deepEqual(failures.map((failure) => failure.property).sort(), [
            "height",
            "layers[0].depth",
            "lid.colour",
            "lid.shape",
            "size",
        ]);
        const height = failures.find((failure) => failure.property === "height");
        assert.match(height?.reason ?? "", /no property "height".*shelf 1\.2\.3.*official plugin/);
    });

    it("refuses an unknown type by name", async () => {
        await assert.rejects(
            harness.check("shelf:index/box:Box", {}),
            /shelf:index\/box:Box is not covered.*shelf 1\.2\.3/,
        );
    });

    it("lets unknown values pass and keeps secrets", async () => {
        const { inputs, failures } = await harness.check(token, {
            name: UNKNOWN,
            size: UNKNOWN,
            lid: { colour: new Secret("red"), key: UNKNOWN },
            tags: UNKNOWN,
        });
        assert.deepEqual(failures, []);
        assert.equal(inputs.size, UNKNOWN);
        assert.deepEqual((inputs.lid as { colour: unknown }).colour, new Secret("red"));
    });

    it("names what has no name, and keeps that name", async () => {
        const first = await harness.check(token, { size: 1 });
        assert.match(first.inputs.name as string, /^it-[0-9a-f]{7}$/);
        const second = await harness.check(token, { size: 2 }, { ...first.inputs, name: "it-1234567" });
        assert.equal(second.inputs.name, "it-1234567");
        const named = await harness.check(token, { size: 2, name: "mine" }, first.inputs);
        assert.equal(named.inputs.name, "mine");
        assert.equal(named.inputs.__defaults, undefined);
    });

    it("previews a creation with unknown outputs and creates nothing", async () => {
        const { outputs } = await harness.create(
            token,
            { name: "a", size: UNKNOWN, label: "x" },
            { preview: true },
        );
        assert.equal(outputs.serial, UNKNOWN);
        assert.equal(outputs.size, UNKNOWN);
        assert.equal(outputs.label, "x");
        assert.equal(await harness.read(token, "jar-1", { name: "a" }), undefined);
    });

    it("marks what the schema says and what came in secret", async () => {
        const { outputs } = await harness.create(token, {
            name: "a",
            size: 1,
            label: new Secret("private"),
            lid: { colour: "red", key: "k" },
        });
        assert.deepEqual(outputs.label, new Secret("private"));
        assert.deepEqual(outputs.pin, new Secret("1234"));
        assert.deepEqual((outputs.lid as { key: unknown }).key, new Secret("k"));
        assert.equal(outputs.serial, "s1");
        assert.deepEqual(
            harness.logs.map((line) => line.message),
            ["made a"],
        );
    });

    it("says which changes replace, and deletes first where the name stays", async () => {
        const old = { name: "a", size: 1, label: "x", layers: [{ depth: 1 }], notes: ["p", "q"] };
        const label = await harness.diff(token, "jar-1", old, old, { ...old, label: "y", notes: ["q", "p"] });
        assert.deepEqual(label.paths, { label: "UPDATE" });
        assert.equal(label.deleteBeforeReplace, false);
        const size = await harness.diff(token, "jar-1", old, old, {
            ...old,
            size: 2,
            layers: [{ depth: 1 }, { depth: 3 }],
        });
        assert.deepEqual(size.paths, { size: "UPDATE_REPLACE", "layers[1]": "ADD" });
        assert.deepEqual(size.replaces, ["size"]);
        assert.equal(size.deleteBeforeReplace, true);
        const automatic = { ...old, __defaults: ["name"] };
        const renamed = await harness.diff(token, "jar-1", old, automatic, { ...automatic, size: 2 });
        assert.equal(renamed.deleteBeforeReplace, false);
        const nothing = await harness.diff(token, "jar-1", old, old, { ...old, tags: {} });
        assert.equal(nothing.changed, false);
    });

    it("treats an unknown as a change", async () => {
        const old = { name: "a", size: 1 };
        const diff = await harness.diff(token, "jar-1", old, old, { ...old, size: UNKNOWN });
        assert.deepEqual(diff.paths, { size: "UPDATE_REPLACE" });
    });

    it("previews an update: old outputs stay, those that follow a change are unknown", async () => {
        const old = { name: "a", size: 1, label: "x", tags: { a: "b" } };
        const state = { ...old, serial: "s1", pin: new Secret("1234") };
        const planned = await harness.update(
            token,
            "jar-1",
            state,
            old,
            { name: "a", size: 1, label: "y" },
            { preview: true },
        );
        assert.equal(planned.serial, UNKNOWN);
        assert.equal(planned.tags, undefined);
        assert.deepEqual(planned.pin, new Secret("1234"));
        const updated = await harness.update(token, "jar-1", state, old, { name: "a", size: 1, label: "y" });
        assert.equal(updated.serial, "s1+");
    });

    it("finds drift and keeps the program's spelling where there is none", async () => {
        await harness.create(token, { name: "a", size: 1, label: "x", notes: ["q", "p"] });
        const inputs = { name: "a", size: 1, label: "changed by hand", notes: ["p", "q"] };
        const read = await harness.read(token, "jar-1", { ...inputs, serial: "s1" }, inputs);
        assert.deepEqual(read?.inputs, { name: "a", size: 1, label: "x", notes: ["p", "q"] });
        assert.equal(read?.outputs.label, "x");
    });

    it("imports by id", async () => {
        await harness.create(token, { name: "a", size: 1, label: "none", notes: [] });
        const read = await harness.read(token, "jar-1");
        assert.deepEqual(read?.inputs, { name: "a", size: 1, label: "none" });
        const diff = await harness.diff(token, "jar-1", read!.outputs, { name: "a", size: 1 }, read!.inputs);
        assert.equal(diff.changed, false);
    });

    it("keeps the state of an object that is there but not as it should be", async () => {
        const failed = harness.create(token, {
            name: "a",
            size: 1,
            label: "broken",
            lid: { colour: "red", key: "k" },
        });
        const error = await failed.then(
            () => assert.fail("it should have failed"),
            (reason: unknown) => reason,
        );
        const failure = initFailureOf(error);
        assert.equal(failure?.id, "jar-1");
        assert.deepEqual(failure?.reasons, ["the lid does not close"]);
        assert.equal(plain(failure.properties).serial, "s1");
        assert.deepEqual((failure.properties.lid as { key: unknown }).key, new Secret("k"));
    });

    it("breaks off on cancellation and on the custom timeout", async () => {
        const waiting = assert.rejects(
            harness.create(token, { name: "a", size: 1, label: "slow" }),
            /cancelled/,
        );
        const deadline = Date.now() + 5000;
        while (!harness.logs.some((line) => line.message === "waiting")) {
            assert.ok(Date.now() < deadline, "it never started");
            await new Promise((resolve) => setTimeout(resolve, 5));
        }
        await harness.cancel();
        await waiting;
        const late = harness.create(token, { name: "a", size: 1, label: "slow" }, { timeout: 0.1 });
        await assert.rejects(late, /custom timeout of 0\.1 s/);
    });

    it("reads settings that the SDK sends as JSON, and refuses unknown ones", async () => {
        assert.deepEqual(await harness.checkConfig({ room: "12", lights: "3", version: "1.2.3" }), {
            failures: [],
        });
        const { failures } = await harness.checkConfig({ lights: '"many"', colour: "red" });
        assert.deepEqual(failures.map((failure) => failure.property).sort(), ["colour", "lights"]);
    });

    it("describes itself", async () => {
        const schema = await harness.schema();
        assert.equal(schema.version, "1.2.3");
        assert.ok(token in (schema.resources as object));
    });
});

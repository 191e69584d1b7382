import assert from "node:assert/strict";

import { compare } from "bcryptjs";
import fc from "fast-check";

import { idOutputs, randomString } from "../../../../plugins/random/generate";
import { randomProvider } from "../../../../plugins/random/provider";
import { plain, ProviderHarness, Secret, UNKNOWN } from "../../../support/provider-harness";

import type { Values } from "../../../../plugins/lib";

const password = "random:index/randomPassword:RandomPassword";
const text = "random:index/randomString:RandomString";
const identifier = "random:index/randomId:RandomId";
const bytes = "random:index/randomBytes:RandomBytes";
const uuid = "random:index/randomUuid:RandomUuid";

describe("the random plugin", () => {
    let provider: ProviderHarness;

    before(async () => {
        provider = await ProviderHarness.start(randomProvider);
    });
    after(() => provider?.close());

    async function create(type: string, args: Values) {
        const { inputs, failures } = await provider.check(type, args);
        assert.deepEqual(failures, []);
        return { inputs, ...(await provider.create(type, inputs)) };
    }

    const refused = async (type: string, args: Values) =>
        (await provider.check(type, args)).failures.map(({ property }) => property);

    it("makes strings of the asked length with the asked characters", () => {
        const kind = fc.record({ allowed: fc.boolean(), least: fc.nat(6) });
        fc.assert(
            fc.property(
                kind,
                kind,
                kind,
                kind,
                fc.integer({ min: 1, max: 20 }),
                (upper, lower, numeric, special, more) => {
                    const kinds = [upper, lower, numeric, special];
                    fc.pre(kinds.some(({ allowed }) => allowed));
                    const length = kinds.reduce((sum, { least }) => sum + least, more);
                    const result = randomString({
                        length,
                        upper: upper.allowed,
                        lower: lower.allowed,
                        numeric: numeric.allowed,
                        special: special.allowed,
                        minUpper: upper.least,
                        minLower: lower.least,
                        minNumeric: numeric.least,
                        minSpecial: special.least,
                        overrideSpecial: "+-",
                    });
                    assert.equal(result.length, length);
                    const patterns = [/[A-Z]/g, /[a-z]/g, /[0-9]/g, /[+-]/g];
                    kinds.forEach(({ allowed, least }, index) => {
                        const found = (result.match(patterns[index]!) ?? []).length;
                        assert.ok(
                            allowed ? found >= least : found === least,
                            `${result} ${String(patterns[index])}`,
                        );
                    });
                    assert.match(result, /^[A-Za-z0-9+-]*$/);
                },
            ),
        );
    });

    it("keeps passwords and their hashes secret, and hashes right", async () => {
        const { id, outputs } = await create(password, { length: 24, special: false, minNumeric: 3 });
        assert.equal(id, "none");
        assert.ok(outputs.result instanceof Secret && outputs.bcryptHash instanceof Secret);
        const { result, bcryptHash, numeric, number } = plain(outputs) as Record<string, string>;
        assert.match(result!, /^[A-Za-z0-9]{24}$/);
        assert.match(bcryptHash!, /^\$2a\$10\$/);
        assert.ok(await compare(result!, bcryptHash!));
        assert.deepEqual([numeric, number].map(String), ["true", "true"]);
    });

    it("replaces on every change and finds nothing to do otherwise", async () => {
        const args = { length: 12, keepers: { a: "1" } };
        const { id, inputs, outputs } = await create(password, args);
        const again = (await provider.check(password, args)).inputs;
        assert.equal((await provider.diff(password, id, outputs, inputs, again)).changed, false);
        const read = await provider.read(password, id, outputs, inputs);
        assert.deepEqual(read?.inputs, inputs);
        assert.deepEqual(read?.outputs, outputs);
        for (const change of [
            { length: 13 },
            { keepers: { a: "2" } },
            { numeric: false },
            { special: false },
        ]) {
            const changed = (await provider.check(password, { ...args, ...change })).inputs;
            const { changed: some, replaces } = await provider.diff(password, id, outputs, inputs, changed);
            assert.ok(some && replaces.length > 0, JSON.stringify(change));
        }
    });

    it("refuses what cannot be", async () => {
        assert.deepEqual(await refused(password, { length: 3, minUpper: 2, minSpecial: 2 }), ["length"]);
        assert.deepEqual(await refused(password, { length: 0 }), ["length"]);
        assert.deepEqual(
            await refused(password, { length: 3, upper: false, lower: false, special: false, number: false }),
            ["upper"],
        );
        assert.deepEqual(await refused(text, { length: 3, number: true, numeric: false }), ["number"]);
        assert.deepEqual(await refused(text, { size: 3 }), ["size", "length"]);
        assert.deepEqual(await refused(text, { length: UNKNOWN, minUpper: 5 }), []);
    });

    it("makes ids, bytes and UUIDs in all their spellings", async () => {
        const made = await create(identifier, { byteLength: 8, prefix: "p-" });
        const { hex, dec, b64Std, b64Url } = made.outputs as Record<string, string>;
        assert.match(hex!, /^p-[0-9a-f]{16}$/);
        assert.equal(BigInt(dec!.slice(2)), BigInt(`0x${hex!.slice(2)}`));
        assert.equal(Buffer.from(b64Std!.slice(2), "base64").toString("hex"), hex!.slice(2));
        assert.equal(b64Url, `p-${made.id}`);
        assert.deepEqual(idOutputs(Buffer.from([0, 255])), {
            b64Std: "AP8=",
            b64Url: "AP8",
            dec: "255",
            hex: "00ff",
        });

        const raw = plain((await create(bytes, { length: 5 })).outputs) as Record<string, string>;
        assert.equal(Buffer.from(raw.base64!, "base64").toString("hex"), raw.hex);
        assert.equal(raw.hex!.length, 10);

        const unique = await create(uuid, {});
        assert.equal(unique.id, unique.outputs.result);
        assert.match(unique.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    });

    it("imports by value", async () => {
        const imported = await provider.read(password, "Sesame1!");
        assert.equal(imported?.id, "none");
        assert.equal(imported?.inputs.length, 8);
        assert.equal((imported?.outputs.result as Secret).value, "Sesame1!");
        assert.equal((await provider.read(text, "abc"))?.outputs.result, "abc");
        const id = await provider.read(identifier, "my-,prefix-,p-9hUg");
        assert.equal(id?.outputs.b64Url, "my-,prefix-p-9hUg");
        assert.deepEqual(id?.inputs, { byteLength: 4, prefix: "my-,prefix-" });
        assert.equal(plain((await provider.read(bytes, "8/fu3q+2DcgSJ19i0jZ5Cw=="))!.outputs).length, 16);
        await assert.rejects(provider.read(uuid, "no"), /is no UUID/);
    });
});

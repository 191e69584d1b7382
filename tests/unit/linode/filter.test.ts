import * as assert from "node:assert/strict";
import * as fc from "fast-check";

import { ApiError } from "../../support/linode/errors";
import { parseFilter } from "../../support/linode/filter";
import { paginate } from "../../support/linode/page";

interface Thing {
    id: number;
    label: string;
    tags: string[];
    entity: { id: number; type: string };
}

const filterable = ["id", "label", "tags", "entity.id", "entity.type"];
const words = ["web", "db", "Web-1", "cache", ""];
const word = fc.constantFrom(...words);
const small = fc.integer({ min: 0, max: 5 });
const things: fc.Arbitrary<Thing[]> = fc.array(
    fc.record({
        id: small,
        label: word,
        tags: fc.array(word, { maxLength: 3 }),
        entity: fc.record({ id: small, type: word }),
    }),
    { maxLength: 20 },
);

/** A filter together with the plain function that says what it means. */
interface Meaning {
    json: Record<string, unknown>;
    holds: (thing: Thing) => boolean;
}

const numbers: Record<string, (a: number, b: number) => boolean> = {
    "+eq": (a, b) => a === b,
    "+neq": (a, b) => a !== b,
    "+gt": (a, b) => a > b,
    "+gte": (a, b) => a >= b,
    "+lt": (a, b) => a < b,
    "+lte": (a, b) => a <= b,
};

const leaf: fc.Arbitrary<Meaning> = fc.oneof(
    small.map((n) => ({ json: { id: n }, holds: (thing: Thing) => thing.id === n })),
    small.map((n) => ({ json: { "entity.id": n }, holds: (thing: Thing) => thing.entity.id === n })),
    word.map((w) => ({ json: { label: w }, holds: (thing: Thing) => thing.label === w })),
    word.map((w) => ({ json: { tags: w }, holds: (thing: Thing) => thing.tags.includes(w) })),
    word.map((w) => ({
        json: { tags: { "+neq": w } },
        holds: (thing: Thing) => !thing.tags.includes(w),
    })),
    word.map((w) => ({
        json: { label: { "+contains": w } },
        holds: (thing: Thing) => thing.label.toLowerCase().includes(w.toLowerCase()),
    })),
    fc.tuple(fc.constantFrom(...Object.keys(numbers)), small).map(([operator, n]) => ({
        json: { id: { [operator]: n } },
        holds: (thing: Thing) => numbers[operator]!(thing.id, n),
    })),
    fc.tuple(small, small).map(([low, high]) => ({
        json: { "entity.id": { "+gte": low, "+lt": high } },
        holds: ({ entity }: Thing) => entity.id >= low && entity.id < high,
    })),
    fc.tuple(word, small).map(([w, n]) => ({
        json: { "entity.type": w, id: n },
        holds: (thing: Thing) => thing.entity.type === w && thing.id === n,
    })),
);

const { filter: meanings } = fc.letrec<{ filter: Meaning }>((tie) => ({
    filter: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        leaf,
        fc.array(tie("filter"), { maxLength: 3 }).map((parts) => ({
            json: { "+and": parts.map(({ json }) => json) },
            holds: (thing: Thing) => parts.every(({ holds }) => holds(thing)),
        })),
        fc.array(tie("filter"), { maxLength: 3 }).map((parts) => ({
            json: { "+or": parts.map(({ json }) => json) },
            holds: (thing: Thing) => parts.some(({ holds }) => holds(thing)),
        })),
    ),
}));

describe("linode emulator: X-Filter", () => {
    it("picks what a plain function picks, whatever the filter", () => {
        fc.assert(
            fc.property(things, meanings, (all, { json, holds }) => {
                const filter = parseFilter(JSON.stringify(json), filterable);
                assert.deepEqual(
                    all.filter((thing) => filter.matches(thing)),
                    all.filter(holds),
                );
            }),
        );
    });

    it("orders by a field, both ways, and leaves equals as they were", () => {
        fc.assert(
            fc.property(things, fc.constantFrom("asc", "desc"), (all, order) => {
                const filter = parseFilter(
                    JSON.stringify({ "+order_by": "entity.id", "+order": order }),
                    filterable,
                );
                const direction = order === "asc" ? 1 : -1;
                const numbered = all.map((thing, place) => ({ thing, place }));
                numbered.sort(
                    (a, b) =>
                        direction * (a.thing.entity.id - b.thing.entity.id) || Math.sign(a.place - b.place),
                );
                assert.deepEqual(
                    filter.sort(all),
                    numbered.map(({ thing }) => thing),
                );
            }),
        );
    });

    it("takes no header for no filter", () => {
        const filter = parseFilter(undefined, []);
        assert.ok(filter.matches({ anything: 1 }));
    });

    const refused: [string, string][] = [
        ["{", "Cannot parse the filter: it is not JSON"],
        ["[]", "A filter must be a JSON object"],
        ['{"colour":"red"}', "Cannot filter on colour"],
        ['{"+or":{"id":1}}', "+or must be a list of filters"],
        ['{"+and":[{"colour":1}]}', "Cannot filter on colour"],
        ['{"id":{"+about":1}}', "+about is not an operator"],
        ['{"+order_by":"colour"}', "Cannot order by colour"],
        ['{"+order_by":"id","+order":"up"}', "+order must be asc or desc"],
    ];
    for (const [text, reason] of refused) {
        it(`refuses ${text}`, () => {
            assert.throws(
                () => parseFilter(text, filterable),
                (error: ApiError) => {
                    assert.deepEqual([error.status, error.entries], [400, [{ field: "X-Filter", reason }]]);
                    return true;
                },
            );
        });
    }
});

describe("linode emulator: pages", () => {
    it("give back the whole list, in order, without an item twice", () => {
        fc.assert(
            fc.property(
                fc.array(fc.integer(), { maxLength: 300 }),
                fc.integer({ min: 25, max: 500 }),
                (items, size) => {
                    const page = (number: number) =>
                        paginate(items, { page: String(number), page_size: String(size) });
                    const { pages, results } = page(1);
                    const all = Array.from({ length: pages }, (_, i) => page(i + 1).data).flat();
                    assert.deepEqual(all, items);
                    assert.deepEqual(
                        [results, pages],
                        [items.length, Math.max(1, Math.ceil(items.length / size))],
                    );
                },
            ),
        );
    });

    for (const [query, field, reason] of [
        [{ page_size: "24" }, "page_size", "Must be 25-500"],
        [{ page_size: "501" }, "page_size", "Must be 25-500"],
        [{ page_size: "many" }, "page_size", "Must be 25-500"],
        [{ page: "2" }, "page", "Must be 1-1"],
        [{ page: "0" }, "page", "Must be 1-1"],
    ] as const) {
        it(`refuses ${JSON.stringify(query)}`, () => {
            assert.throws(
                () => paginate([1], query),
                (error: ApiError) => {
                    assert.deepEqual(error.entries, [{ field, reason }]);
                    return true;
                },
            );
        });
    }
});

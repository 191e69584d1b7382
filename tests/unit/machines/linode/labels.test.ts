import * as assert from "node:assert/strict";

import * as fc from "fast-check";

import { LinodeNames } from "../../../../components/machines/linode/labels";

/** What the API takes for a label: no two of its marks in a row, letters or digits at both ends. */
const label = /^(?!.*(--|__|\.\.))[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/;

const kinds = {
    instance: 50,
    firewall: 32,
    nodeBalancer: 32,
    placementGroup: 64,
    vpc: 64,
    subnet: 64,
} as const;

describe("labels and tags at Linode", () => {
    it("are the names of project, stack and thing where they fit", () => {
        const names = new LinodeNames("gatehouse", "linode");
        assert.equal(names.of("instance", "server-1"), "gatehouse-linode-server-1");
        assert.equal(names.of("vpc", "vpc"), "gatehouse-linode-vpc");
        assert.deepEqual(names.tags, ["gatehouse", "gatehouse:linode"]);
    });

    it("always fit, are always taken, and never meet", () => {
        const stack = fc.stringMatching(/^[a-zA-Z0-9][a-zA-Z0-9-]{0,39}$/);
        const machine = fc.stringMatching(/^[a-z]([a-z0-9-]{0,26}[a-z0-9])?-[1-9][0-9]?$/);
        fc.assert(
            fc.property(stack, stack, machine, machine, (one, other, first, second) => {
                for (const [kind, limit] of Object.entries(kinds)) {
                    const of = (name: string, thing: string) =>
                        new LinodeNames("gatehouse", name).of(kind as keyof typeof kinds, thing);
                    assert.match(of(one, first), label);
                    assert.ok(of(one, first).length <= limit, of(one, first));
                    const same = `${one}-${first}` === `${other}-${second}`;
                    assert.equal(of(one, first) === of(other, second), same);
                }
                for (const tag of new LinodeNames("gatehouse", one).tags) {
                    assert.ok(tag.length >= 3 && tag.length <= 50, tag);
                    assert.equal(tag, tag.toLowerCase());
                }
            }),
        );
    });
});

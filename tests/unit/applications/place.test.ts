import * as assert from "node:assert/strict";

import * as fc from "fast-check";

import { place, type PlaceableMachine } from "../../../components/applications/place";

const requires = { type: "webserver" };

function web(...numbers: number[]): PlaceableMachine[] {
    return numbers.map((number) => ({ name: `web-${number}`, metadata: requires }));
}

/** Instance → machine. */
function homes(instances: number, machines: readonly PlaceableMachine[], perMachine = instances) {
    const placed = place({ name: "webapp", instances, machines, requires, perMachine });
    return new Map([...placed].flatMap(([machine, each]) => each.map((instance) => [instance, machine])));
}

const range = (length: number): number[] => Array.from({ length }, (_, index) => index + 1);
const count = fc.integer({ min: 1, max: 40 });
const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 12 });

describe("instances' machines", () => {
    it("are those of the same number, where there are as many", () => {
        fc.assert(
            fc.property(fc.integer({ min: 1, max: 30 }), (size) => {
                const placed = place({
                    name: "webapp",
                    instances: size,
                    machines: web(...range(size)),
                    requires,
                });
                assert.deepEqual(
                    [...placed],
                    range(size).map((number) => [`web-${number}`, [number]]),
                );
            }),
        );
    });

    it("have each instance once, none more than its share, and only if their metadata say so", () => {
        fc.assert(
            fc.property(count, numbers, numbers, (instances, suitable, others) => {
                const rest = others.map((number) => ({
                    name: `db-${number}`,
                    metadata: { type: "database" },
                }));
                const share = Math.ceil(instances / suitable.length);
                const machines = [...rest, ...web(...suitable)];
                const placed = place({ name: "webapp", instances, machines, requires, perMachine: share });
                assert.deepEqual(
                    [...placed.keys()].sort(),
                    web(...suitable)
                        .map(({ name }) => name)
                        .sort(),
                );
                const all = [...placed.values()].flat().sort((a, b) => a - b);
                assert.deepEqual(all, range(instances));
                for (const each of placed.values()) {
                    assert.ok(each.length <= share, `${each.length} on one of ${suitable.length}`);
                    assert.deepEqual(
                        each,
                        [...each].sort((a, b) => a - b),
                    );
                }
            }),
        );
    });

    it("are spread evenly over a row without gaps", () => {
        fc.assert(
            fc.property(count, fc.integer({ min: 1, max: 20 }), (instances, size) => {
                const loads = [
                    ...place({ name: "webapp", instances, machines: web(...range(size)), perMachine: 40 }),
                ];
                const lengths = loads.map(([, each]) => each.length);
                assert.ok(Math.max(...lengths) - Math.min(...lengths) <= 1, String(lengths));
            }),
        );
    });

    it("do not depend on the order in which they are named", () => {
        fc.assert(
            fc.property(count, numbers, (instances, some) => {
                const sorted = [...some].sort((a, b) => a - b);
                assert.deepEqual(homes(instances, web(...some)), homes(instances, web(...sorted)));
            }),
        );
    });

    it("lose instances to a new one only, as few as make it even", () => {
        fc.assert(
            fc.property(count, fc.integer({ min: 1, max: 20 }), (instances, size) => {
                const before = homes(instances, web(...range(size)));
                const after = homes(instances, web(...range(size + 1)));
                const moved = range(instances).filter((each) => before.get(each) !== after.get(each));
                assert.equal(moved.length, Math.floor(instances / (size + 1)));
                moved.forEach((each) => assert.equal(after.get(each), `web-${size + 1}`));
            }),
        );
    });

    it("keep their instances when any one of them is removed", () => {
        fc.assert(
            fc.property(count, fc.integer({ min: 2, max: 20 }), fc.nat(), (instances, size, seed) => {
                const removed = (seed % size) + 1;
                const before = homes(instances, web(...range(size)));
                const after = homes(instances, web(...range(size).filter((each) => each !== removed)));
                for (const each of range(instances)) {
                    if (before.get(each) !== `web-${removed}`) {
                        assert.equal(after.get(each), before.get(each), `instance ${each}`);
                    }
                }
            }),
        );
    });

    it("keep theirs when there are more or fewer instances, one each", () => {
        fc.assert(
            fc.property(fc.integer({ min: 1, max: 19 }), (instances) => {
                const machines = web(...range(20));
                const [fewer, more] = [homes(instances, machines), homes(instances + 1, machines)];
                fewer.forEach((machine, each) => assert.equal(more.get(each), machine));
            }),
        );
    });

    it("are refused when there is no room, with the remedy", () => {
        const refused = (instances: number, machines: PlaceableMachine[], perMachine?: number) => () =>
            place({ name: "webapp", instances, machines, requires, perMachine });
        assert.throws(
            refused(5, web(1, 2), 2),
            /application webapp:\n {2}instances: 5 do not fit, with 2 at most on each machine whose metadata say type=webserver \(web-1, web-2\): add machines, raise perMachine, or ask for fewer/,
        );
        assert.throws(refused(1, [{ name: "web-1", metadata: {} }]), /type=webserver \(none\)/);
        assert.throws(refused(0, web(1)), /instances: must be a whole number from 1 up, but is 0/);
        assert.throws(refused(1, web(1), 1.5), /perMachine: must be a whole number/);
        assert.throws(
            refused(1, [{ name: "web", metadata: requires }]),
            /machines: must have names that end in numbers/,
        );
        assert.throws(
            refused(1, [...web(1), { name: "app-1", metadata: requires }]),
            /of its own.*web-1, app-1/,
        );
    });
});

import * as assert from "node:assert/strict";

import { parseConfig } from "../../config";
import { wantedObjects } from "../../toolchain/names";
import {
    dockerObjects,
    outermost,
    ownerOf,
    registered,
    runProgram,
    secretsIn,
    type Run,
} from "../support/mocks";
import { assertSecretsMarked, ofType } from "./expectations";
import { computed } from "./providers";

interface Lab {
    /** The setting `lab`. */
    name: string;
    /** Its component's type. */
    component: string;
    /** All of it: type and name. A name is a resource's identity: changing one replaces it. */
    resources: string[];
    /** How many of them are told a secret, at least. */
    holders: number;
    /** The outputs that are secret. */
    secrets: string[];
}

/** Tests of what holds for the program as any lab that runs on Docker. Returns its runs, which are there when tests run. */
export function sameForAll({ name, component, resources, holders, secrets }: Lab): {
    readonly preview: Run;
    readonly first: Run;
} {
    let preview: Run;
    let first: Run;
    before(async () => {
        preview = await runProgram({ lab: name }, { preview: true, computed });
        first = await runProgram({ lab: name }, { preview: false, computed });
    });

    it("registers exactly these resources, in a first preview as well, where everything is unknown", () => {
        assert.deepEqual(registered(first), [...resources].sort());
        // A resource that is created inside apply is missing in a preview: its callback does not run on unknowns.
        assert.deepEqual(registered(preview), registered(first));
        assert.equal(preview.outputs["urls"]?.known, false);
        assert.equal(first.outputs["urls"]?.known, true);
    });

    it("nests everything below the lab", () => {
        for (const [urn, top] of outermost(first)) {
            assert.equal(top.type, `gatehouse:labs:${component}`, `${urn} is outside the lab`);
        }
    });

    it("gives its Docker objects the names that set-up has looked for", () => {
        const wanted = wantedObjects("test", parseConfig({ lab: name }));
        assert.deepEqual(
            wanted.map((each) => `${each.kind} ${each.name}`).sort(),
            // A machine's volume is named after the machine and what it boots from.
            dockerObjects(first)
                .filter((each) => !/-docker-[0-9a-f]{12}$/.test(each))
                .sort(),
        );
    });

    it("labels every Docker object with project and stack, and names it by them", () => {
        const kinds = ["network:Network", "volume:Volume", "container:Container"];
        const objects = kinds.flatMap((kind) => ofType(first, `docker:index/${kind}`));
        assert.ok(objects.length >= 4, `${objects.length} objects`);
        for (const object of objects) {
            assert.deepEqual(ownerOf(object), ["gatehouse", "test"], object.name);
            assert.match(String(object.inputs["name"]), /^gatehouse-test-/, object.name);
        }
    });

    it("publishes ports on 127.0.0.1 only, and hands Docker's socket to nobody", () => {
        const containers = ofType(first, "docker:index/container:Container");
        const published = containers.flatMap(({ inputs }) => (inputs["ports"] ?? []) as { ip: string }[]);
        assert.deepEqual([...new Set(published.map(({ ip }) => ip))], ["127.0.0.1"]);
        for (const { inputs, name: container } of containers) {
            assert.doesNotMatch(JSON.stringify(inputs["volumes"] ?? []), /docker\.sock|hostPath/, container);
        }
    });

    for (const kind of ["an update", "a preview"] as const) {
        it(`keeps secrets out of every input and output that is not secret, in ${kind}`, () => {
            const run = kind === "a preview" ? preview : first;
            const told = run.resources.filter(({ inputs }) => secretsIn(inputs).length > 0);
            assert.ok(kind === "a preview" || told.length >= holders, `${told.length} hold secrets`);
            told.forEach(assertSecretsMarked);
            const outputs = Object.entries(run.outputs);
            const marked = outputs.filter(([, { secret }]) => secret).map(([output]) => output);
            assert.deepEqual(marked, secrets);
            const open = outputs.filter(([, { secret }]) => !secret);
            assert.deepEqual(
                secretsIn(Object.fromEntries(open.map(([output, { value }]) => [output, value]))),
                [],
            );
        });
    }

    return {
        get preview() {
            return preview;
        },
        get first() {
            return first;
        },
    };
}

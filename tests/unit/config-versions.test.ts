import * as assert from "node:assert/strict";

import { parseConfig } from "../../config";
import { noDowngrade } from "../../settings/versions";
import { versions } from "../../toolchain/versions";
import { refusal } from "../support/settings";

const pinned = { consul: versions.tools["consul"]!.version, nomad: versions.tools["nomad"]!.version };
const chosen = (setting: unknown) => {
    const config = parseConfig({ lab: "routed", versions: JSON.stringify(setting) });
    assert.ok(config.lab === "routed");
    return config.versions;
};

describe("versions as a setting", () => {
    it("are the pinned ones unless the stack says otherwise", () => {
        assert.deepEqual(chosen({}), pinned);
        assert.deepEqual(chosen({ consul: "1.19.2" }), { ...pinned, consul: "1.19.2" });
    });

    it("are refused by name, with the remedy", () => {
        const refused = (setting: unknown) => refusal({ lab: "routed", versions: setting });
        assert.match(
            refused({ consul: "1.2", nomad: "1.5.0" }),
            /gatehouse:versions\.consul: must be a released version such as .*, but is "1\.2"\n.*gatehouse:versions\.nomad: must be at least 1\.7\.0: .*, but is "1\.5\.0"/,
        );
        assert.match(refused({ nomad: "1.10.5+ent" }), /versions\.nomad: must be .*community edition/);
        assert.match(
            refused({ consul: 1.21 }),
            /versions\.consul: must be a released version such as .*, but is 1\.21/,
        );
        assert.match(refused({ vault: "1.0.0" }), /versions\.vault: unknown setting/);
    });

    it("belong to the routed lab", () => {
        const setting = { versions: { consul: "1.19.2" } };
        assert.match(refusal({ lab: "nomad", ...setting }), /the lab nomad has no such setting .*routed/);
    });
});

describe("an older version than the cluster runs", () => {
    const wanted = { consul: "1.20.0", nomad: "1.9.10" };
    const table: [title: string, last: Parameters<typeof noDowngrade>[0], refused: string[]][] = [
        ["is nothing to a new stack", undefined, []],
        ["is nothing to outputs that do not tell", {}, []],
        ["is not the same one", { ...wanted }, []],
        ["is not a newer one", { consul: "1.19.9", nomad: "1.9.9" }, []],
        [
            "is refused, by number and not by letter",
            { consul: "1.20.1", nomad: "1.10.0" },
            ["consul", "nomad"],
        ],
        ["is refused for one alone", { consul: "1.9.30", nomad: "2.0.0" }, ["nomad"]],
    ];
    for (const [title, last, refused] of table) {
        it(title, () => {
            const problems = noDowngrade(last, wanted);
            assert.deepEqual(
                problems.map(({ path }) => path),
                refused.map((tool) => `versions.${tool}`),
            );
        });
    }

    it("is named with what to do", () => {
        const [problem] = noDowngrade({ consul: "1.21.0" }, wanted);
        assert.match(
            problem!.message,
            /^1\.20\.0 is older than 1\.21\.0, which the cluster runs; .* choose 1\.21\.0 or later, or make a new stack/,
        );
    });
});

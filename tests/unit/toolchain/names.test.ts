import * as assert from "node:assert/strict";

import { nameFindings, wantedObjects } from "../../../toolchain/names";

const names = (settings: Record<string, unknown>, kind: string) =>
    wantedObjects("mine", settings).flatMap((each) => (each.kind === kind ? [each.name] : []));

describe("the names of a stack's Docker objects", () => {
    it("are those of its machines, in every pool, its network and its registry", () => {
        const settings = {
            lab: "routed",
            servers: { count: 1 },
            pools: { default: { count: 2 }, gpu: { count: 1 } },
            clients: { count: 9 },
        };
        assert.deepEqual(
            names(settings, "container"),
            ["registry", "server-1", "client-1", "client-2", "gpu-1"].map((name) => `gatehouse-mine-${name}`),
        );
        assert.deepEqual(names(settings, "network"), ["gatehouse-mine-network"]);
        assert.deepEqual(names(settings, "volume"), ["gatehouse-mine-registry"]);
        const nomad = { ...settings, lab: "nomad", clients: { count: 1 } };
        assert.deepEqual(names(nomad, "container").slice(1), [
            "gatehouse-mine-server-1",
            "gatehouse-mine-client-1",
        ]);
    });

    it("leave settings that are none to the program", () => {
        for (const wrong of [-1, "many", 1.5, undefined, 1e9]) {
            const settings = {
                lab: "routed",
                servers: { count: wrong },
                pools: { default: { count: wrong } },
            };
            assert.ok(names(settings, "container").length < 300);
        }
        assert.deepEqual(names({ lab: "sticky" }, "container"), ["gatehouse-mine-balancer"]);
    });
});

describe("names in use", () => {
    const wanted = wantedObjects("mine", { lab: "nomad", servers: { count: 1 } });
    const check = (kind: "container" | "network" | "volume", name: string, stack: string) =>
        nameFindings("mine", wanted, [{ kind, name, stack }]);

    it("are refused, with the object, whose it is, and the remedy", () => {
        const table = [
            ["container", "gatehouse-mine-server-1", "/", /docker rename gatehouse-mine-server-1 /],
            [
                "network",
                "gatehouse-mine-network",
                "gatehouse/other",
                /docker network rm gatehouse-mine-network/,
            ],
            ["volume", "gatehouse-mine-registry", "/mine", /docker volume rm gatehouse-mine-registry/],
        ] as const;
        for (const [kind, name, stack, remedy] of table) {
            const [finding, ...more] = check(kind, name, stack);
            assert.deepEqual(more, []);
            assert.equal(finding?.level, "blocking");
            assert.match(
                finding?.what ?? "",
                new RegExp(`^STACK=mine: there is a ${kind} named ${name} already`),
            );
            assert.match(finding?.remedy ?? "", remedy);
            assert.match(finding?.remedy ?? "", /or use another STACK/);
        }
        assert.match(
            check("network", "gatehouse-mine-network", "gatehouse/other")[0]!.what,
            /stack other's$/,
        );
        assert.match(check("container", "gatehouse-mine-server-1", "/")[0]!.what, /nothing of Gatehouse's/);
    });

    it("are the stack's own, another kind's, or nobody's: nothing is wrong", () => {
        assert.deepEqual(check("container", "gatehouse-mine-server-1", "gatehouse/mine"), []);
        assert.deepEqual(check("volume", "gatehouse-mine-server-1", "/"), []);
        assert.deepEqual(check("container", "gatehouse-mine-server-2", "/"), []);
    });
});

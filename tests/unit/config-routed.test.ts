import * as assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as path from "node:path";

import * as fc from "fast-check";
import { parse } from "yaml";

import { parseConfig, schemas } from "../../config";
import { AddressBook, hostOffset } from "../../components/machines/addresses";
import { labs } from "../../settings/common";
import { oldWorkers } from "../../settings/guard";
import { routedNodes, type RoutedSettings } from "../../settings/routed";
import { wantedPorts } from "../../toolchain/ports";
import { labOf, settingsOf } from "../../toolchain/stackfile";
import { labs as places } from "../../toolchain/versions";
import { root } from "../support/command";
import { refusal } from "../support/settings";

function routed(settings: Record<string, unknown> = {}): RoutedSettings {
    const raw = Object.entries(settings).map(([key, value]) => [key, JSON.stringify(value)]);
    const config = parseConfig({ lab: "routed", ...Object.fromEntries(raw) });
    assert.ok(config.lab === "routed");
    return config;
}

const refused = (settings: Record<string, unknown>) => refusal({ lab: "routed", ...settings });
const names = (settings: Record<string, unknown>) => routedNodes(routed(settings)).map(({ name }) => name);

describe("configuration of the routed lab", () => {
    it("needs no more than the lab's name, as its stack file says", () => {
        const { config } = parse(readFileSync(path.join(root, "Pulumi.routed.yaml"), "utf8")) as {
            config: Record<string, string>;
        };
        assert.deepEqual(config, { "gatehouse:lab": "routed" });
        assert.deepEqual(names({}), ["server-1", "server-2", "server-3", "client-1", "client-2"]);
    });

    it("says everywhere that it exists, and where", () => {
        const { config } = parse(readFileSync(path.join(root, "Pulumi.yaml"), "utf8")) as {
            config: Record<string, { description: string }>;
        };
        const about = (setting: string) => config[`gatehouse:${setting}`]?.description ?? "";
        for (const lab of labs) {
            assert.match(about("lab"), new RegExp(`\\b${lab}\\b`));
            assert.ok(about("network").includes(`${places[lab]!.subnet} (${lab})`), about("network"));
            for (const setting of Object.keys(schemas[lab].settings.shape)) {
                if (!["lab", "substrate", "network"].includes(setting)) {
                    assert.match(about(setting), new RegExp(`\\b${lab}\\b`), setting);
                }
            }
        }
        for (const port of Object.keys(routed().ports)) {
            assert.match(about("ports").split("routed:")[1] ?? "", new RegExp(`\\b${port}\\b`));
        }
    });

    it("has as many servers as the front door thinks", () => {
        for (const lab of labs) {
            const config = parseConfig({ lab });
            const count = "servers" in config ? config.servers.count : undefined;
            assert.equal(count, (places[lab] as { servers?: { count: number } }).servers?.count, lab);
        }
    });

    it("has the ports that the front door looks at beforehand", () => {
        for (const [stack, machines] of [
            ["dev", ["server-1"]],
            ["routed", names({})],
        ] as const) {
            const settings = settingsOf(stack);
            const wanted = wantedPorts(settings)
                .filter(({ name }) => name === "ssh")
                .map(({ port }) => port);
            const { ssh } = places[labOf(stack)]!.ports!;
            assert.deepEqual(
                wanted,
                machines.map((machine) => ssh! + hostOffset(machine)),
                stack,
            );
        }
    });

    it("takes odd numbers of servers up to seven, and says which others would do", () => {
        for (const count of [1, 3, 5, 7]) {
            assert.equal(routed({ servers: { count } }).servers.count, count);
        }
        for (const count of [2, 4, 6]) {
            const message = refused({ servers: { count } });
            assert.match(
                message,
                new RegExp(
                    `gatehouse:servers\\.count: must be odd, such as ${count - 1} or ${count + 1}: .*but is ${count}$`,
                    "m",
                ),
            );
        }
        assert.match(refused({ servers: { count: 8 } }), /has a setting to correct/);
        assert.match(
            refused({ servers: { count: 9 } }),
            /gatehouse:servers\.count: must be at most 7: .*not safer.*but is 9/,
        );
        assert.match(refused({ servers: { count: 0 } }), /gatehouse:servers\.count: must be at least 1/);
        assert.match(refused({ servers: { count: 2.5 } }), /gatehouse:servers\.count: must be a/);
    });

    it("calls machines by their pool, those of the default pool client, which come first", () => {
        const pools = { gpu: { count: 2 }, default: { count: 1 }, "big-memory": { count: 1 } };
        assert.deepEqual(routedNodes(routed({ servers: { count: 1 }, pools })), [
            { name: "server-1" },
            { name: "client-1", pool: "default" },
            { name: "gpu-1", pool: "gpu" },
            { name: "gpu-2", pool: "gpu" },
            { name: "big-memory-1", pool: "big-memory" },
        ]);
    });

    it("may have no machine that runs jobs, but then in no pool", () => {
        assert.deepEqual(names({ servers: { count: 1 }, pools: { default: { count: 0 } } }), ["server-1"]);
        assert.deepEqual(names({ servers: { count: 1 }, pools: {} }), ["server-1"]);
        for (const pools of [{ gpu: { count: 1 } }, { default: { count: 0 }, gpu: { count: 1 } }]) {
            assert.match(
                refused({ pools }),
                /gatehouse:pools\.default: has no machine, but the lab's jobs run there/,
            );
        }
    });

    it("refuses pools whose machines would have the names of others, or none that a host can have", () => {
        const base = { default: { count: 1 } };
        assert.match(refused({ pools: { ...base, server: { count: 1 } } }), /pools\.server: is what .*vote/);
        assert.match(refused({ pools: { ...base, client: { count: 1 } } }), /pools\.client: is what /);
        assert.match(refused({ pools: { ...base, all: { count: 1 } } }), /pools\.all: is Nomad's own name/);
        for (const name of ["Big", "2nd", "a_b", "end-", "-a", "x".repeat(29), "ä"]) {
            assert.match(
                refused({ pools: { ...base, [name]: { count: 1 } } }),
                /the name must be lower-case letters, digits and hyphens, at most 28/,
                name,
            );
        }
        const longest = "x".repeat(28);
        assert.equal(names({ pools: { ...base, [longest]: { count: 2 } } }).at(-1), `${longest}-2`);
    });

    it("refuses more machines than the network has addresses for", () => {
        assert.match(
            refused({ pools: { default: { count: 80 } } }),
            /pools\.default\.count: must be at most 79/,
        );
        assert.equal(names({ pools: { default: { count: 79 } } }).length, 82);
        // The group `web` of components/machines/addresses.ts has nine places.
        assert.match(
            refused({ pools: { default: { count: 1 }, web: { count: 10 } } }),
            /gatehouse:pools\.web\.count: .*numbered 1 to 9\. Choose fewer/,
        );
        assert.match(
            refused({ pools: { default: { count: 1 }, crowd: { count: 79 } } }),
            /gatehouse:pools\.crowd: its machine crowd-\d+ would have the address of crowd-\d+, .*fewer machines/,
        );
    });

    it("accepts only pools whose machines get names and addresses of their own", () => {
        const pools = fc.dictionary(
            fc.stringMatching(/^[a-z][a-z0-9-]{0,29}$/),
            fc.record({ count: fc.integer({ min: 0, max: 12 }) }),
            { maxKeys: 4 },
        );
        let accepted = 0;
        fc.assert(
            fc.property(pools, fc.constantFrom(1, 3, 5, 7), (others, count) => {
                let settings: RoutedSettings;
                try {
                    settings = routed({ servers: { count }, pools: { default: { count: 2 }, ...others } });
                } catch (error) {
                    assert.match((error as Error).message, /gatehouse:pools\./);
                    return;
                }
                accepted += 1;
                const book = new AddressBook(settings.network.subnet);
                const nodes = routedNodes(settings).map(({ name }) => name);
                assert.equal(new Set(nodes).size, nodes.length);
                assert.equal(new Set(nodes.map((name) => book.addressOf(name))).size, nodes.length);
            }),
        );
        assert.ok(accepted > 0, "some pools are accepted");
    });

    it("refuses two endpoints on one port, and one among the machines' SSH ports", () => {
        const { ports } = routed();
        assert.match(refused({ ports: { http: ports.consul } }), /port 8520 is also ports\.http/);
        const taken = ports.ssh + hostOffset("client-1");
        assert.match(
            refused({ ports: { nomad: taken } }),
            new RegExp(`gatehouse:ports\\.nomad: port ${taken} lies in the range of the machines' SSH ports`),
        );
        assert.match(refused({ ports: { ssh: 80 } }), /gatehouse:ports\.ssh: must be at least 1024/);
        assert.match(refused({ ports: { webapp: 80 } }), /gatehouse:ports\.webapp: unknown setting/);
    });

    it("refuses certificates that every up would renew, and that outlive their CA", () => {
        for (const certificates of [{ lifetimeDays: 30 }, { earlyRenewalDays: 365 }]) {
            assert.match(
                refused({ certificates }),
                /gatehouse:certificates\.earlyRenewalDays: .*certificates live (30|365) days .*choose less/,
            );
        }
        assert.equal(routed({ certificates: { lifetimeDays: 31 } }).certificates.earlyRenewalDays, 30);
        const wrong = { lifetimeDays: 4000, earlyRenewalDays: 0, rotation: 0 };
        const message = refused({ certificates: wrong, tokens: { rotation: "x" } });
        assert.match(message, /gatehouse:certificates\.lifetimeDays: must be at most 1825/);
        assert.match(message, /gatehouse:certificates\.earlyRenewalDays: must be at least 1/);
        assert.match(message, /gatehouse:certificates\.rotation: must be at least 1/);
        assert.match(message, /gatehouse:tokens\.rotation: must be a/);
    });

    it("guards its balancers as the template lab does, and names its own settings", () => {
        const { guard } = routed().balancer;
        const template = parseConfig({ lab: "template" });
        assert.ok(template.lab === "template");
        assert.deepEqual(guard, template.guard);
        assert.match(
            refused({ balancer: { guard: { reloadGap: "10ms" } } }),
            /gatehouse:balancer\.guard\.reloadGap: .*or a smaller balancer\.guard\.reloadBurst/,
        );
        assert.match(
            refused({ balancer: { preferLocal: "maybe", guard: { hold: "1500ms" } } }),
            /gatehouse:balancer\.guard\.hold: must be whole seconds/,
        );
    });

    it("lets its balancers hear of instances in two ways, and says why DNS is none", () => {
        assert.equal(routed().discovery, "events");
        for (const discovery of ["template", "events"] as const) {
            const config = parseConfig({ lab: "routed", discovery });
            assert.ok(config.lab === "routed");
            assert.equal(config.discovery, discovery);
        }
        assert.match(
            refused({ discovery: "dns" }),
            /gatehouse:discovery: cannot be: .*DNS does not tell which there are; use template or events, but is "dns"/,
        );
        assert.match(
            refused({ discovery: "x" }),
            /gatehouse:discovery: unknown value "x"; use template, events/,
        );
    });

    it("knows how many old workers its HAProxy bears", () => {
        const template = readFileSync(path.join(root, "components/balancers/node/haproxy.ctmpl"), "utf8");
        assert.match(template, new RegExp(`^ +hard-stop-after ${oldWorkers.seconds}s$`, "m"));
        assert.match(template, new RegExp(`^ +mworker-max-reloads ${oldWorkers.reloads}$`, "m"));
    });

    it("refuses numbers of instances that no machine has room for", () => {
        for (const job of ["helloworld", "webapp"]) {
            assert.match(refused({ [job]: { count: 0 } }), new RegExp(`${job}\\.count: must be at least 1`));
            assert.match(
                refused({ [job]: { count: 101 } }),
                new RegExp(`${job}\\.count: must be at most 100`),
            );
        }
        assert.match(refused({ countdash: { intention: "maybe" } }), /use allow, deny/);
    });
});

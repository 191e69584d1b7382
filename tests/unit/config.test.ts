import * as assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as path from "node:path";

import * as fc from "fast-check";
import { parse } from "yaml";

import { parseConfig, schemas } from "../../config";
import { labs } from "../../settings/common";
import { refusal } from "../support/settings";

const root = path.join(__dirname, "../..");

describe("configuration", () => {
    it("needs no setting but the lab", () => {
        const config = parseConfig({});
        assert.ok(config.lab === "nomad");
        assert.equal(config.webapp.count, 3);
        assert.equal(config.ports.webapp, 8000);
        const sticky = parseConfig({ lab: "sticky" });
        assert.ok(sticky.lab === "sticky");
        assert.deepEqual(Object.keys(sticky.backends), ["back1", "back2"]);
        const template = parseConfig({ lab: "template" });
        assert.ok(template.lab === "template");
        assert.deepEqual(template.instances, { web1: { port: 8001 }, web2: { port: 8002 } });
    });

    describe("Pulumi.yaml", () => {
        const project = parse(readFileSync(path.join(root, "Pulumi.yaml"), "utf8")) as {
            config: Record<string, { default: unknown; description: string }>;
        };
        const documented = Object.entries(project.config).map(
            ([key, { default: value }]) => [key.replace("gatehouse:", ""), value] as const,
        );
        const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

        it("documents every setting of every lab", () => {
            const settings = new Set(labs.flatMap((lab) => Object.keys(schemas[lab].settings.shape)));
            assert.deepEqual(documented.map(([key]) => key).sort(), [...settings].sort());
        });

        it("has the labs' defaults", () => {
            for (const lab of labs) {
                const defaults = plain(parseConfig({ lab })) as Record<string, unknown>;
                for (const [key, value] of documented.filter(([key]) => key in defaults)) {
                    // Labs differ in these, or they stand in toolchain/versions.json: what is shared is no default.
                    const shared: Record<string, unknown> = {
                        ...{ lab: "nomad", discovery: "" },
                        ...{ network: {}, ports: {}, servers: {}, versions: {} },
                        ...{ webapp: {}, certificates: {}, balancer: {} },
                    };
                    assert.deepEqual(value, key in shared ? shared[key] : defaults[key], key);
                }
            }
        });

        it("changes nothing for a stack file that says no more than its lab", () => {
            const raw = Object.fromEntries(
                documented.map(([key, value]) => [
                    key,
                    typeof value === "string" ? value : JSON.stringify(value),
                ]),
            );
            for (const lab of labs) {
                assert.deepEqual(parseConfig({ ...raw, lab }), parseConfig({ lab }));
            }
        });
    });

    it("reads the stack files in the repository", () => {
        for (const [stack, lab] of [
            ["dev", "nomad"],
            ["linode", "nomad"],
            ["sticky", "sticky"],
            ["template", "template"],
            ["routed", "routed"],
            ["etcd", "etcd"],
        ]) {
            const { config } = parse(readFileSync(path.join(root, `Pulumi.${stack}.yaml`), "utf8")) as {
                config: Record<string, string>;
            };
            assert.equal(parseConfig({ lab: config["gatehouse:lab"] ?? "" }).lab, lab);
        }
    });

    it("has default ports and networks with which every lab can run beside the others", () => {
        const all = labs.map((lab) => parseConfig({ lab }));
        const ports = all.flatMap((config) => Object.values(config.ports));
        assert.equal(new Set(ports).size, ports.length);
        assert.equal(new Set(all.map(({ network }) => network.subnet)).size, labs.length);
    });

    it("refuses a setting of another lab", () => {
        assert.match(
            refusal({ lab: "sticky", webapp: { count: 5 } }),
            /gatehouse:webapp: the lab sticky has no such setting \(the lab nomad has\); remove it/,
        );
        assert.match(
            refusal({ backends: { a: {} } }),
            /gatehouse:backends: the lab nomad has no such setting \(the lab sticky has\)/,
        );
    });

    it("reports all problems together, each with its setting", () => {
        const message = refusal({
            lab: "kubernetes",
            substrate: "vax",
            webapp: { count: 0, colour: "red" },
            servers: { count: 2 },
            ports: { consul: "x" },
            network: { subnet: "10.213.0.1/24" },
        });
        assert.match(message, /6 settings|7 settings/);
        assert.match(message, /gatehouse:lab: unknown value "kubernetes"; use nomad/);
        assert.match(message, /gatehouse:substrate: unknown value "vax"; use docker/);
        assert.match(message, /gatehouse:webapp\.count: must be at least 1, but is 0/);
        assert.match(message, /gatehouse:webapp\.colour: unknown setting/);
        assert.match(message, /gatehouse:servers\.count: must be 1, 3 or 5.*but is 2/);
        assert.match(
            message,
            /gatehouse:ports\.consul: must be a whole number|gatehouse:ports\.consul: must be a number/,
        );
        assert.match(
            message,
            /gatehouse:network\.subnet: must be a network's first address: 10\.213\.0\.0\/24/,
        );
    });

    it("suggests the nearest name for an unknown setting", () => {
        assert.match(
            refusal({ webap: { count: 1 } }),
            /gatehouse:webap: unknown setting; did you mean gatehouse:webapp\?/,
        );
        assert.match(refusal({ zzz: "1" }), /unknown setting; known are lab, substrate/);
    });

    it("refuses a public subnet, and one that is too small for fixed addresses", () => {
        assert.match(refusal({ network: { subnet: "8.8.8.0/24" } }), /private subnet/);
        assert.match(refusal({ network: { subnet: "10.0.0.0/28" } }), /between \/16 and \/24/);
    });

    it("refuses two endpoints on one port, and one in the SSH range", () => {
        assert.match(refusal({ ports: { webapp: 8500 } }), /port 8500 is also ports\.webapp/);
        assert.match(refusal({ ports: { webapp: 2210 } }), /range of the machines' SSH ports/);
    });

    it("refuses more instances than HAProxy has slots for", () => {
        assert.match(refusal({ webapp: { count: 100000 } }), /gatehouse:webapp\.count: must be at most \d+/);
        assert.match(
            refusal({ webapp: { count: 5 }, haproxy: { slots: 3 } }),
            /gatehouse:haproxy\.slots: 3 slots cannot hold 5/,
        );
    });

    it("refuses an image that is no reference", () => {
        assert.match(
            refusal({ webapp: { image: "not an image!" } }),
            /gatehouse:webapp\.image: must be an image reference/,
        );
    });

    describe("of the sticky lab", () => {
        const refuses = (settings: Record<string, unknown>, ...said: RegExp[]) => {
            const message = refusal({ lab: "sticky", ...settings });
            said.forEach((pattern) => assert.match(message, pattern));
        };

        it("names everything that is wrong", () =>
            refuses(
                {
                    backends: { "Back 1": {}, far: { url: "ftp://x" } },
                    https: { enabled: "yes", domainName: "localhost", emailAddress: "nobody" },
                    registry: { server: "https://docker.io" },
                    ports: { webapp: 0 },
                },
                /gatehouse:backends\.Back 1: the name must be lower-case letters/,
                /gatehouse:backends\.far\.url: must be host:port or http:\/\/host:port, but is "ftp:\/\/x"/,
                /gatehouse:https\.enabled: /,
                /gatehouse:https\.domainName: must be a domain name/,
                /gatehouse:https\.emailAddress: must be an e-mail address, but is "nobody"/,
                /gatehouse:registry\.server: must be host or host:port/,
                /gatehouse:ports\.webapp: must be at least 1/,
            ));

        it("needs a backend, and a name for HTTPS", () => {
            refuses({ backends: {} }, /gatehouse:backends: must name at least one backend/);
            refuses({ https: { enabled: true } }, /gatehouse:https\.domainName: is missing/);
        });

        it("refuses settings that contradict each other", () => {
            const https = { enabled: true, domainName: "www.example.org" };
            refuses(
                { https, certificate: { staging: true, directory: "https://ca.example.org/dir" } },
                /gatehouse:certificate\.staging: means Let's Encrypt's own directory/,
            );
            refuses({ certificate: { provided: "x" } }, /certificate\.provided: has no effect without HTTPS/);
            refuses(
                { https, certificate: { provided: "x", directory: "https://ca.example.org/dir" } },
                /gatehouse:certificate\.directory: has no effect beside certificate\.provided/,
            );
            refuses({ registry: { server: "docker.io", username: "me" } }, /registry\.password: is missing/);
            refuses({ https, ports: { webappTls: 8080 } }, /gatehouse:ports\.webappTls: port 8080 is also/);
        });

        it("shows no secret", () => {
            const message = refusal({
                lab: "sticky",
                registry: { server: "docker.io", username: "me", password: { not: "hunter2" } },
                certificate: { provided: ["hunter2"] },
            });
            assert.match(
                message,
                /gatehouse:registry\.password: must be a string, but is a value that is not shown/,
            );
            assert.doesNotMatch(message, /hunter2/);
        });
    });

    it("never fails with anything but its own error", () => {
        fc.assert(
            fc.property(fc.dictionary(fc.string(), fc.string()), (raw) => {
                try {
                    parseConfig(raw);
                } catch (error) {
                    assert.match((error as Error).message, /The stack's configuration has/);
                }
            }),
        );
    });
});

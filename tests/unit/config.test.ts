import * as assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as path from "node:path";

import * as fc from "fast-check";
import { parse } from "yaml";

import { parseConfig } from "../../config";

const root = path.join(__dirname, "../..");

/** The message of the one error that these settings get. */
function refusal(settings: Record<string, unknown>): string {
    const raw = Object.fromEntries(
        Object.entries(settings).map(([key, value]) => [
            key,
            typeof value === "string" ? value : JSON.stringify(value),
        ]),
    );
    try {
        parseConfig(raw);
    } catch (error) {
        return (error as Error).message;
    }
    throw new assert.AssertionError({ message: `accepted ${JSON.stringify(settings)}` });
}

describe("configuration", () => {
    it("needs no setting at all", () => {
        const config = parseConfig({});
        assert.equal(config.lab, "nomad");
        assert.equal(config.webapp.count, 3);
        assert.equal(config.ports.webapp, 8000);
    });

    it("has the defaults that Pulumi.yaml documents", () => {
        const project = parse(readFileSync(path.join(root, "Pulumi.yaml"), "utf8")) as {
            config: Record<string, { default: unknown; description: string }>;
        };
        const documented = Object.fromEntries(
            Object.entries(project.config).map(([key, { default: value }]) => [
                key.replace("gatehouse:", ""),
                value,
            ]),
        );
        assert.deepEqual(documented, JSON.parse(JSON.stringify(parseConfig({}))));
    });

    it("reads the stack files in the repository", () => {
        const stack = parse(readFileSync(path.join(root, "Pulumi.dev.yaml"), "utf8")) as {
            config: Record<string, string>;
        };
        assert.equal(parseConfig({ lab: stack.config["gatehouse:lab"] ?? "" }).lab, "nomad");
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

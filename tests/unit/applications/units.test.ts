import * as assert from "node:assert/strict";

import { machineMetadata } from "../../../components/applications/metadata";
import { applicationUnits, type ApplicationUnitsArgs } from "../../../components/applications/units";
import { etcdClientFiles } from "../../../components/clusters/etcd/client";
import type { NodeConfiguration } from "../../../components/clusters/node-files";
import { imageReference } from "../../../toolchain/images";
import { run } from "../../support/command";
import { Root } from "../balancers/node-files";

const image = "10.219.0.2:5000/hello@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const password = "correct-horse-battery-staple";

const args: ApplicationUnitsArgs = {
    node: { name: "web-1", address: "10.219.0.21" },
    application: { name: "webapp", image },
    instances: [1, 3],
    etcd: {
        endpoints: ["https://10.219.0.11:2379", "https://10.219.0.12:2379", "https://10.219.0.13:2379"],
        ...etcdClientFiles,
        user: "app-webapp",
        password,
    },
};

const content = ({ files }: NodeConfiguration, path: string): string => {
    const found = files.find((file) => file.path.endsWith(`/${path}`));
    assert.ok(found, `${path} is not among ${files.map((file) => file.path).join(", ")}`);
    return found.content;
};

/** What would be restarted, and what only lies there. */
function changes(before: NodeConfiguration, after: NodeConfiguration): string[] {
    const old = new Map(before.files.map((file) => [file.path, JSON.stringify(file)]));
    const changed = after.files.filter((file) => old.get(file.path) !== JSON.stringify(file));
    return [...new Set(changed.flatMap(({ unit }) => unit?.name ?? []))].sort();
}

describe("an application's units", function () {
    this.timeout("1m");
    const units = applicationUnits(args);
    const [applications, registrations] = [
        ["webapp@1.service", "webapp@3.service"],
        ["webapp-registration@1.service", "webapp-registration@3.service"],
    ];

    it("are two for each instance, in an order in which they can start", () => {
        assert.deepEqual(
            units.units.map(({ name }) => name),
            [applications[0], registrations[0], applications[1], registrations[1]],
        );
        assert.deepEqual(applicationUnits({ ...args, instances: [3, 1] }), units);
    });

    it("register under the document's keys, each with a port of its own", () => {
        const settings = JSON.parse(content(units, "webapp-registration@3.json")) as Record<string, unknown>;
        assert.equal(settings["key"], "/apps/webapp/webapp@3.service");
        assert.equal(settings["value"], "webapp-3 10.219.0.21:9001");
        assert.equal(settings["health"], "http://10.219.0.21:9001/health");
        assert.match(content(units, "webapp@3.env"), /^PORT=9001$/m);
        assert.match(
            content(units, "webapp@3.service.d/instance.conf"),
            /ADDRESS=10\.219\.0\.21 PORT=9001$/m,
        );
        assert.match(content(units, "webapp@1.env"), /^PORT=9000$/m);
    });

    it("have the password in a file for root alone", () => {
        const secret = units.files.filter((file) => file.content.includes(password));
        assert.deepEqual(
            secret.map(({ path, mode, owner }) => [path, mode, owner]),
            [["/etc/gatehouse/applications/webapp.password", "0600", "root:root"]],
        );
    });

    it("are restarted by what concerns them, and by nothing else", () => {
        const change = (more: Partial<ApplicationUnitsArgs>): string[] =>
            changes(units, applicationUnits({ ...args, ...more }));
        const application = (more: object): Partial<ApplicationUnitsArgs> => ({
            application: { ...args.application, ...more },
        });
        assert.deepEqual(change(application({ image: "hello:2" })), applications);
        assert.deepEqual(change(application({ environment: { GREETING: "Hello, all" } })), applications);
        // In the unit file, which is the same for all.
        assert.deepEqual(change(application({ memory: 128 })), applications);
        assert.deepEqual(change({ lease: 7 }), registrations);
        assert.deepEqual(change({ etcd: { ...args.etcd, password: "another" } }), []);
        assert.deepEqual(change({ instances: [1] }), []);
    });

    it("are files that systemd and Python of the machine understand", async () => {
        const root = new Root();
        try {
            root.take(units);
            root.take(machineMetadata({ type: "webserver" }));
            root.write("etc/systemd/system/gatehouse.target", "[Unit]\nDescription=test\n");
            const { code, output } = await run("docker", [
                ...["run", "--rm", "--network", "none", "--volume", `${root.folder}:/document:ro`],
                ...["--entrypoint", "/bin/sh", imageReference("machine-routed"), "-euc"],
                [
                    "cp -r /document/etc /document/usr /",
                    `systemd-analyze verify --man=no ${units.units.map(({ name }) => name).join(" ")}`,
                    "python3 -W error -m py_compile /usr/local/lib/gatehouse/etcd-registration",
                    "python3 -m json.tool /etc/gatehouse/metadata.json >/dev/null",
                ].join("\n"),
            ]);
            assert.equal(code, 0, output);
            assert.doesNotMatch(output, /Unknown|Failed|not found|ignoring|WARNING|ALERT/i);
        } finally {
            root.remove();
        }
    });

    it("have a lease that etcd makes and that outlives a member's silence", () => {
        assert.throws(
            () => applicationUnits({ ...args, lease: 2 }),
            /webapp on web-1:\n {2}lease: must be whole seconds, at least 3: etcd makes none shorter, and a keep-alive/,
        );
    });

    it("are refused with everything that is wrong, and no secret", () => {
        const wrong: ApplicationUnitsArgs = {
            node: { name: "web-1", address: "web-1" },
            application: {
                name: "Web/App",
                image: "hello world",
                basePort: 65_536,
                memory: 1,
                cpus: 0,
                healthPath: "health",
                environment: { GREETING: "two\nlines" },
                longestRequest: 0,
            },
            instances: [0, 0],
            etcd: { ...args.etcd, endpoints: [], password: `${password} ` },
            lease: 2.5,
            deregisterDelay: -1,
            check: { interval: 0, timeout: 1, fall: 1, rise: 1 },
        };
        const named = [
            ...["name", "image", "basePort", "memory", "cpus", "healthPath", "environment"].map(
                (each) => `application.${each}`,
            ),
            ...["application.longestRequest", "node.address", "instances", "etcd.endpoints"],
            ...["etcd.password", "lease", "deregisterDelay", "check"],
        ];
        assert.throws(
            () => applicationUnits(wrong),
            ({ message }: Error) => {
                named.forEach((each) => assert.ok(message.includes(`  ${each}: `), `${each} in ${message}`));
                assert.ok(!message.includes(password));
                return true;
            },
        );
        for (const name of ["a".repeat(33), "-a", "a-", "1a", "web_app", "a-registration", "a@b", ""]) {
            assert.throws(
                () => applicationUnits({ ...args, application: { name, image } }),
                /application\.name/,
                name,
            );
        }
    });
});

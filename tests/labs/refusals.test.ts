import * as assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import * as path from "node:path";

import { output, run, tail } from "../support/command";
import { docker } from "../support/docker";
import { eventually } from "../support/poll";
import { places, Stack, type Settings } from "../support/stack";

/**
 * Input that cannot work, through the front door: an error that names the setting and the remedy, and nothing made.
 */
describe("refusals", function () {
    this.timeout("5m");

    const stack = new Stack("e2e-refused", {
        ...places.e2e,
        subnet: "10.214.1.0/24",
        portOffset: 11_000,
    });
    const nothing = { containers: [], networks: [], volumes: [] };

    before("start afresh", () => stack.startAfresh());
    after("remove what is left", () => stack.startAfresh());

    /** `make up` fails with all of these in what it says, and has made nothing. */
    async function refusedBy(by: Stack, settings: Settings, ...said: RegExp[]): Promise<void> {
        by.configure(settings);
        const text = await by.refused("up");
        for (const pattern of said) {
            assert.match(text, pattern, `it does not say ${pattern}:\n${tail(text)}`);
        }
        assert.doesNotMatch(text, /\n\s+at .*\(.*:\d+:\d+\)/, `a stack trace is no help:\n${tail(text)}`);
        assert.deepEqual(await by.inventory(), nothing);
    }
    const refuses = (settings: Settings, ...said: RegExp[]) => refusedBy(stack, settings, ...said);

    it("names all wrong settings together", () =>
        refuses(
            { lab: "nomda", substrate: "dokcer", webapp: { count: 0 }, clints: { count: 1 } },
            /gatehouse:lab: unknown value "nomda"; use nomad, sticky, template/,
            /gatehouse:substrate: unknown value "dokcer"; use docker/,
            /gatehouse:webapp\.count: must be at least 1, but is 0/,
            /gatehouse:clints: unknown setting; did you mean gatehouse:clients\?/,
        ));

    it("refuses more instances than HAProxy has slots for", () =>
        refuses({ webapp: { count: 1000 } }, /gatehouse:webapp\.count: must be at most \d+/));

    it("refuses a slot count that leaves no room for canaries", () =>
        refuses(
            { haproxy: { slots: 4 } },
            /gatehouse:haproxy\.slots: 4 slots cannot hold 3 instances.*set at least 7/,
        ));

    it("refuses a stack without a file", async () => {
        const stranger = new Stack("e2e-nobody", places.e2e);
        assert.match(await stranger.refused("up"), /there is no Pulumi\.e2e-nobody\.yaml/);
    });

    describe("a port that is taken", () => {
        let server: Server;
        before(
            () =>
                new Promise<void>(
                    (resolve) => (server = createServer().listen(stack.ports.webapp, "127.0.0.1", resolve)),
                ),
        );
        after(() => new Promise((resolve) => server.close(resolve)));

        it("is named with its setting", () =>
            refuses(
                {},
                new RegExp(
                    `gatehouse:ports\\.webapp.*${stack.ports.webapp}|${stack.ports.webapp}.*gatehouse:ports\\.webapp`,
                ),
            ));
    });

    describe("a subnet that overlaps", () => {
        const other = "gatehouse-e2e-other-network";
        before(async () => {
            await run("docker", ["network", "rm", other]);
            await docker(
                "network",
                "create",
                "--subnet",
                "10.214.1.128/25",
                "--label",
                "dev.gatehouse.stack=e2e-other",
                other,
            );
        });
        after(() => docker("network", "rm", other));

        it("is named with its setting and the network that has it", async () =>
            refuses({}, /gatehouse:network\.subnet/, new RegExp(other)));
    });

    describe("a name that is taken", () => {
        const volume = stack.object("registry");
        before(() => docker("volume", "create", volume));
        after(() => docker("volume", "rm", volume));

        it("is named with whose it is and the remedy", () =>
            refuses(
                {},
                new RegExp(
                    `there is a volume named ${volume} already, and nothing of Gatehouse's has made it`,
                ),
                new RegExp(`what to do: .*docker volume rm ${volume}`),
            ));
    });

    describe("versions that cannot be", () => {
        const routed = new Stack("e2e-refused-routed", {
            ...places["e2e-routed"],
            subnet: "10.214.2.0/24",
            portOffset: 11_000,
        });
        after(() => routed.startAfresh());

        it("are named when they are none, or too old", () =>
            refusedBy(
                routed,
                { versions: { consul: "1.2", nomad: "1.5.0" } },
                /gatehouse:versions\.consul: must be a released version such as /,
                /gatehouse:versions\.nomad: must be at least 1\.7\.0/,
            ));

        it("are named when the vendor has them not, or is out of reach, by a preview as well", async () => {
            const said =
                /gatehouse:versions\.consul: (unknown version 1\.99\.99|consul 1\.99\.99 cannot be had)/;
            const remedy = /what to do: .*releases\.hashicorp\.com/;
            await refusedBy(routed, { versions: { consul: "1.99.99" } }, said, remedy);
            assert.match(await routed.refused("preview"), said);
        });
    });

    it("says what to do when no Docker engine answers", async () => {
        stack.configure();
        const text = await stack.refused("up", { DOCKER_HOST: "unix:///nonexistent/docker.sock" });
        assert.match(text, /Docker/);
        assert.match(text, /DOCKER_HOST/, tail(text));
        assert.match(text, /what to do:/, tail(text));
    });

    it("says what to do when the Docker engine is not permitted", async function () {
        if (process.getuid?.() !== 0) {
            this.skip(); // Only root can make a socket that somebody else may not use.
        }
        const folder = mkdtempSync(path.join(tmpdir(), "gatehouse-denied-"));
        const socket = path.join(folder, "docker.sock");
        const server = createServer().listen(socket);
        try {
            await output("chmod", ["0700", socket]);
            await output("chmod", ["0755", folder]);
            stack.configure();
            const { code, output: text } = await run(
                "setpriv",
                ["--reuid=65534", "--regid=65534", "--clear-groups", "node", "toolchain/cli.js", "doctor"],
                { env: { ...process.env, DOCKER_HOST: `unix://${socket}`, HOME: folder } },
            );
            assert.notEqual(code, 0, tail(text));
            assert.match(text, /permi/i, tail(text));
        } finally {
            server.close();
            rmSync(folder, { recursive: true, force: true });
        }
    });

    it("says so when the disk of the cache is full", async function () {
        const folder = mkdtempSync(path.join(tmpdir(), "gatehouse-full-"));
        if ((await run("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", folder])).code !== 0) {
            rmSync(folder, { recursive: true });
            this.skip(); // Not root, or not Linux.
        }
        try {
            stack.configure();
            const text = await stack.refused("up", { GATEHOUSE_CACHE: folder });
            assert.match(text, new RegExp(`disk of ${folder} is full`), tail(text));
            assert.match(text, /what to do: .*GATEHOUSE_CACHE/, tail(text));
        } finally {
            // What the command had started may be about to end.
            await eventually("nobody uses the disk", () => output("umount", [folder]));
            rmSync(folder, { recursive: true });
        }
    });
});

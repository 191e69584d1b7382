import * as assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
    balancerHost,
    consulHost,
    dockerRole,
    hashicorp,
    machineConfig,
    nomadHost,
    registryHost,
} from "../../../cloud-init";
import { imageReference } from "../../../toolchain/images";
import { tools } from "../../../toolchain/versions.json";
import { type CommandResult, run } from "../../support/command";

const program = "/usr/local/lib/gatehouse/install";
const policy = "/usr/sbin/policy-rc.d";
const vendor = join(__dirname, "vendor");
/** The key that has signed `vendor`. */
const fingerprint = "C4DBB131B97C95B18A6B1C774F26DD5CBD8227C5";

const server = [consulHost(), nomadHost({ client: false })];
const client = [consulHost(), nomadHost({ client: true }), dockerRole()];

/** Stand in front of everything that would ask a repository; each writes down how it was called. */
const recorder = `
mkdir /fake /calls
for each in apt-get apt-mark; do
    printf '#!/bin/sh\\necho "$0 $*" >>/calls/all\\n. /fake/answers\\n' >/fake/$each
    chmod +x /fake/$each
done
printf '#!/bin/sh\\necho "$0 $*" >>/calls/all\\n' >/usr/lib/apt/apt-helper
: >/calls/all
: >/fake/answers
PATH=/fake:$PATH
`;

describe("the packages of a role", function () {
    this.timeout(60_000);

    let folder: string;
    before(() => {
        folder = mkdtempSync(join(tmpdir(), "gatehouse-install-"));
        // As it stands in a document.
        const file = machineConfig(...server).write_files?.find(({ path }) => path === program);
        writeFileSync(join(folder, "install"), file!.content, { mode: 0o755 });
    });
    after(() => rmSync(folder, { recursive: true, force: true }));

    /** Runs a script in a container of an image, with the program at its place. */
    function inImage(image: string, commands: string): Promise<CommandResult> {
        return run("docker", [
            ...["run", "--rm", "--network", "none", "--entrypoint", "/bin/sh"],
            ...["--volume", `${folder}/install:${program}:ro`, "--volume", `${vendor}:/vendor:ro`],
            // The image for images keeps services from starting; a machine has no such thing.
            // One stream: two come in any order.
            ...[imageReference(image), "-uc", `exec 2>&1\nrm -f ${policy}\n${commands}`],
        ]);
    }

    /** As cloud-init runs it. */
    function installationOf(...roles: Parameters<typeof machineConfig>): string {
        const command = machineConfig(...roles).runcmd?.[1];
        assert.equal(command?.[0], program);
        return command.map((word) => `'${word}'`).join(" ");
    }

    it("are asked of nobody when the image has them all, in their versions", async () => {
        const machines: [image: string, ...commands: string[]][] = [
            ["machine-nomad", installationOf(...server), installationOf(...client)],
            ["machine-routed", installationOf(...client, balancerHost())],
            ["machine-rehearsal", installationOf(...client, balancerHost()), installationOf(registryHost())],
        ];
        for (const [image, ...commands] of machines) {
            const started = "for each in consul nomad consul-template; do ln -s /bin/false /fake/$each; done";
            const { code, output } = await inImage(
                image,
                [
                    recorder,
                    started,
                    "set -e",
                    ...commands,
                    "cat /calls/all",
                    "test ! -e /etc/apt/keyrings/*",
                ].join("\n"),
            );
            assert.equal(code, 0, output);
            assert.equal(output, "", image);
        }
    });

    it("come from the distribution, and from HashiCorp in the pinned versions alone", async () => {
        const { code, output } = await inImage(
            "base",
            `${recorder} INSTALL_SECONDS=10 ${installationOf(...client)} >/dev/null 2>&1; echo "code $?"
             sed 's|^/fake/||; s| -o [^ ]*||g; s|--quiet --yes --no-install-recommends *||' /calls/all
             cat /etc/apt/sources.list.d/hashicorp.sources
             test ! -e ${policy}`,
        );
        const wanted = `consul=${tools.consul.version}-* curl nomad=${tools.nomad.version}-* containernetworking-plugins docker.io`;
        assert.equal(code, 0, output);
        assert.deepEqual(output.trim().split("\n"), [
            // The recorder installs nothing, which the program notices.
            "code 1",
            "/usr/lib/apt/apt-helper download-file https://apt.releases.hashicorp.com/gpg /etc/apt/keyrings/hashicorp.asc",
            "apt-get update",
            `apt-get --simulate install ${wanted}`,
            `apt-get --download-only install ${wanted}`,
            `apt-get install ${wanted}`,
            "apt-mark hold consul",
            "apt-mark hold nomad",
            "Types: deb",
            "URIs: https://apt.releases.hashicorp.com",
            "Suites: bookworm",
            "Components: main",
            `Signed-By: /etc/apt/keyrings/hashicorp.asc ${hashicorp.fingerprint}`,
        ]);
    });

    it("are replaced by the pinned version where the image has another one", async () => {
        const { output } = await inImage(
            "machine-nomad",
            `${recorder} ${program} https://vendor.example ABC consul:consul:1.20.9 nomad:nomad:${tools.nomad.version} | head -n 1`,
        );
        assert.match(output, /^install: consul=1\.20\.9-\*$/m);
    });

    it("that cannot be had are the last line, after the reason, in bounded time", async () => {
        const { code, output, seconds } = await inImage(
            "base",
            `${recorder} echo 'echo "E: no route to the mirror" >&2; exit 100' >/fake/answers
             INSTALL_SECONDS=0 ${program} https://vendor.example ABC curl:curl consul:consul:1.21.0`,
        );
        assert.equal(code, 1, output);
        assert.match(
            output,
            /E: no route to the mirror\ninstall: cannot get curl consul=1\.21\.0-\* \(see above\): needs its Debian mirror, and https:\/\/vendor\.example with the key ABC\n$/,
        );
        assert.ok(seconds < 20, `${seconds} s`);
    });

    it("that break when they are installed are the last line, and services may start again", async () => {
        const { code, output } = await inImage(
            "base",
            `${recorder} echo 'case $* in *--simulate* | *--download-only* | *update) ;; *) test -x ${policy} && echo disk full; exit 100 ;; esac' >/fake/answers
             ${program} https://vendor.example ABC curl:curl || test -e ${policy}`,
        );
        assert.equal(code, 1, output);
        assert.match(output, /disk full\ninstall: cannot install curl\n$/);
    });

    describe("with the real apt", () => {
        /** Only the vendor's repository is there. */
        const only = (commands: string) => inImage("base", `rm /etc/apt/sources.list.d/* && ${commands}`);

        it("are held in their version, without the vendor's samples, and nothing starts", async () => {
            const { code, output } = await only(
                `${program} file:///vendor ${fingerprint} consul:consul:1.21.0 && consul && apt-mark showhold &&
                 ls -A /etc/consul.d && test ! -e ${policy} && ${program} file:///nowhere ABC consul:consul:1.21.0`,
            );
            assert.equal(code, 0, output);
            assert.match(output, /may start: 101\n[^]*consul set on hold\.\nConsul v1\.21\.0\nconsul\n$/);
        });

        it("are not taken from whom the pinned key has not signed", async () => {
            const other = fingerprint.replace("C4DB", "C4DC");
            const { code, output } = await only(
                `INSTALL_SECONDS=0 ${program} file:///vendor ${other} consul:consul:1.21.0 || command -v consul`,
            );
            assert.equal(code, 127, output);
            assert.match(output, /is not signed[^]*install: cannot get consul=1\.21\.0-\*/);
        });

        it("that no repository has are said at once", async () => {
            const { code, output } = await only(
                `${program} file:///vendor ${fingerprint} consul:consul:9.9.9`,
            );
            assert.equal(code, 1, output);
            assert.match(output, /install: no repository of this machine has consul=9\.9\.9-\*\n$/);
        });
    });

    it("are refused when two roles want one in two versions", () => {
        assert.throws(
            () => machineConfig(consulHost(), consulHost({ version: "1.20.5" })),
            /require different packages: consul:consul:[0-9.]+ and consul:consul:1\.20\.5/,
        );
    });
});

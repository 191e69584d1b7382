import * as assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import {
    balancerHost,
    type CloudConfig,
    consulHost,
    dockerRole,
    machineConfig,
    mergeCloudConfig,
    nomadHost,
    registryHost,
    renderUserData,
    type Role,
    userDataLimit,
} from "../../../cloud-init";
import { output, run } from "../../support/command";
import { imageReference } from "../../../toolchain/images";

/** Every kind of machine that a lab may ask for. */
const documents: Record<string, CloudConfig> = {
    "a machine that runs jobs": document(true),
    "a machine that runs none": document(false),
    "a machine with a balancer": document(true, balancerHost()),
    "a registry": machineConfig(registryHost()),
};

function document(runsJobs: boolean, ...roles: Role[]): CloudConfig {
    return machineConfig(
        ...roles,
        consulHost(),
        nomadHost({ client: runsJobs }),
        ...(runsJobs ? [dockerRole({ insecureRegistries: ["10.213.0.2:5000"] })] : []),
    );
}

/** As long as the real ones. */
const keys: CloudConfig = {
    hostname: "server-1",
    preserve_hostname: false,
    ssh_authorized_keys: [`ssh-ed25519 ${"A".repeat(68)}`],
    ssh_keys: {
        ed25519_private: `-----BEGIN OPENSSH-----\n${`${"A".repeat(70)}\n`.repeat(6)}-----END OPENSSH-----\n`,
        ed25519_public: `ssh-ed25519 ${"A".repeat(68)}`,
    },
};

describe("machines' documents", () => {
    let folder: string;
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "gatehouse-roles-"));
    });
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    for (const [what, config] of Object.entries(documents)) {
        it(`of ${what} satisfy cloud-init and systemd`, async function () {
            this.timeout(60_000);
            materialise(folder, config);
            writeFileSync(join(folder, "user-data"), renderUserData(config));

            // In the image itself: its version of cloud-init and systemd is what counts.
            const units = (config.write_files ?? [])
                .flatMap(
                    ({ path }) =>
                        /^\/etc\/systemd\/system\/(.*\.(?:service|target))(\.d\/|$)/.exec(path)?.[1] ?? [],
                )
                .filter((each) => each !== "gatehouse.target");
            const inImage = await run("docker", [
                ...["run", "--rm", "--network", "none", "--volume", `${folder}:/document:ro`],
                ...["--entrypoint", "/bin/sh", imageReference("machine-rehearsal"), "-euc"],
                [
                    "cloud-init schema --config-file /document/user-data",
                    "cp -r /document/etc /document/usr /",
                    "chmod +x /usr/local/lib/gatehouse/* /usr/local/bin/gatehouse-ready",
                    "systemd-sysusers",
                    `systemd-analyze verify --man=no gatehouse.target ${units.join(" ")}`,
                    "sshd -t || test ! -e /run/sshd",
                    "for each in /usr/local/bin/gatehouse-ready /usr/local/lib/gatehouse/*; do sh -n $each; done",
                ].join("\n"),
            ]);
            assert.equal(inImage.code, 0, inImage.output);
            assert.match(inImage.output, /Valid cloud-config/);
            assert.doesNotMatch(inImage.output, /(Unknown|Failed|not found|ignoring)/i);
        });

        it(`of ${what} leave room below the clouds' limit, with the keys that the substrate adds`, () => {
            const whole = renderUserData(mergeCloudConfig(config, keys));
            assert.ok(Buffer.byteLength(whole) < userDataLimit - 1024, `${Buffer.byteLength(whole)} bytes`);
            // Linode counts this.
            assert.ok(Buffer.from(whole).toString("base64").length < 15 * 1024);
        });

        it(`of ${what} know neither secrets nor their cluster`, () => {
            const text = renderUserData(config);
            assert.doesNotMatch(text, /PRIVATE KEY|password:|"encrypt"|secret_id|"token"/i);
            // What would replace the machine when the cluster changes.
            assert.doesNotMatch(text, /path: \/etc\/(consul|nomad)\.d|bootstrap_expect|retry_join|dc1/);
        });
    }

    it("never give up starting an agent", () => {
        for (const unit of ["consul", "nomad"]) {
            const file = documents["a machine that runs none"]!.write_files?.find(
                ({ path }) => path === `/etc/systemd/system/${unit}.service`,
            );
            const [, general, service] = /^\[Unit\]([\s\S]*)\[Service\]([\s\S]*)/.exec(file!.content)!;
            // systemd reads the limit in this section alone; its own is five starts in ten seconds.
            assert.match(general!, /^StartLimitIntervalSec=0$/m);
            assert.match(service!, /^Restart=always$/m);
        }
    });

    it("start all their units, and tell gatehouse-ready of each", () => {
        const wanted = (config: CloudConfig) =>
            (config.write_files ?? [])
                .filter((file) => file.path.startsWith("/etc/systemd/system/gatehouse.target.d/"))
                .map((file) => /^Wants=(.+)$/m.exec(file.content)?.[1]);
        // Agents start when their configuration has come; that is no matter of the boot.
        assert.deepEqual(wanted(documents["a machine that runs jobs"]!), ["docker.service"]);
        assert.deepEqual(wanted(documents["a machine that runs none"]!), []);
        assert.deepEqual(wanted(documents["a registry"]!), ["docker-registry.service"]);
        for (const config of Object.values(documents)) {
            assert.deepEqual(config.runcmd?.at(0), ["set", "-e"]);
            // Before anything that might need what it installs.
            assert.equal(config.runcmd?.at(1)?.[0], "/usr/local/lib/gatehouse/install");
            assert.deepEqual(config.runcmd?.at(-1), [
                "systemctl",
                "enable",
                "--now",
                "--no-block",
                "gatehouse.target",
            ]);
        }
    });
});

describe("machines' programs", () => {
    it("are shell scripts without the mistakes that shells tell of", async () => {
        for (const name of ["gatehouse-ready", "install", "wait-for-consul", "forget-networks"]) {
            await output("sh", ["-n", join(__dirname, "../../../cloud-init/files", name)]);
        }
    });
});

/** Writes the document's files below a folder, as cloud-init would below /. */
function materialise(folder: string, config: CloudConfig): void {
    for (const file of config.write_files ?? []) {
        const path = join(folder, file.path);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, file.content, { mode: Number.parseInt(file.permissions ?? "0644", 8) });
    }
}

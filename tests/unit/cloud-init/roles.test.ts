import * as assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import {
    type CloudConfig,
    consulConfiguration,
    dockerRole,
    machineConfig,
    nomadConfiguration,
    renderUserData,
} from "../../../cloud-init";
import { consulNode } from "../../../components/clusters/consul";
import { nomadNode } from "../../../components/clusters/nomad";
import type { NodeAddress } from "../../../components/clusters/node";
import { findTool } from "../../support/agents";
import { output, run } from "../../support/command";

// eslint-disable-next-line @typescript-eslint/no-require-imports
const { imageReference } = require("../../../toolchain/images.js") as {
    imageReference(name: string): string;
};

const servers: NodeAddress[] = [1, 2, 3].map((n) => ({ name: `server-${n}`, address: `10.213.0.1${n}` }));
const client: NodeAddress = { name: "client-1", address: "10.213.0.21" };
const images = { sidecarImage: "10.213.0.2:5000/envoy:1", infraImage: "10.213.0.2:5000/pause:1" };

/** Every kind of machine that a lab may ask for. */
const documents: Record<string, CloudConfig> = {
    "one machine that is everything": document(servers[0]!, servers.slice(0, 1), true),
    "a server of three": document(servers[1]!, servers, false),
    "a client of three servers": document(client, servers, true),
};

function document(node: NodeAddress, all: NodeAddress[], runsJobs: boolean): CloudConfig {
    return machineConfig(
        ...(runsJobs ? [dockerRole({ insecureRegistries: ["10.213.0.2:5000"] })] : []),
        consulNode({ datacenter: "dc1", node, servers: all }),
        nomadNode({ datacenter: "dc1", node, servers: all, ...(runsJobs ? { client: images } : {}) }),
    );
}

describe("machines' documents", () => {
    let folder: string;
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "gatehouse-roles-"));
    });
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    for (const [what, config] of Object.entries(documents)) {
        it(`of ${what} satisfy Consul, Nomad, cloud-init and systemd`, async function () {
            this.timeout(60_000);
            materialise(folder, config);
            writeFileSync(join(folder, "user-data"), renderUserData(config));

            const consul = await run(findTool("consul"), ["validate", join(folder, "etc/consul.d")]);
            assert.equal(consul.code, 0, consul.output);
            const nomad = await run(findTool("nomad"), ["config", "validate", join(folder, "etc/nomad.d")]);
            assert.equal(nomad.code, 0, nomad.output);
            // In the image itself: its version of cloud-init and systemd is what counts.
            const inImage = await run("docker", [
                ...["run", "--rm", "--network", "none", "--volume", `${folder}:/document:ro`],
                ...["--entrypoint", "/bin/sh", imageReference("machine-nomad"), "-euc"],
                [
                    "cloud-init schema --config-file /document/user-data",
                    "cp -r /document/etc /document/usr /",
                    "chmod +x /usr/local/lib/gatehouse/* /usr/local/bin/gatehouse-ready",
                    "systemd-sysusers /etc/sysusers.d/consul.conf",
                    "systemd-analyze verify --man=no gatehouse.target consul.service nomad.service",
                    "sshd -t || test ! -e /run/sshd",
                    "sh -n /usr/local/bin/gatehouse-ready",
                ].join("\n"),
            ]);
            assert.equal(inImage.code, 0, inImage.output);
            assert.match(inImage.output, /Valid cloud-config/);
            assert.doesNotMatch(inImage.output, /(Unknown|Failed|not found|ignoring)/i);
        });

        it(`of ${what} leave room for the host key below the clouds' limit`, () => {
            assert.ok(Buffer.byteLength(renderUserData(config)) < 14 * 1024);
        });

        it(`of ${what} have no secret`, () => {
            assert.doesNotMatch(renderUserData(config), /PRIVATE KEY|password:|"encrypt"|secret_id|"token"/i);
        });
    }

    it("start all their units, and tell gatehouse-ready of each", () => {
        const wanted = (config: CloudConfig) =>
            (config.write_files ?? [])
                .filter((file) => file.path.startsWith("/etc/systemd/system/gatehouse.target.d/"))
                .map((file) => /^Wants=(.+)$/m.exec(file.content)?.[1]);
        assert.deepEqual(wanted(documents["one machine that is everything"]!), [
            "docker.service",
            "consul.service",
            "nomad.service",
        ]);
        assert.deepEqual(wanted(documents["a server of three"]!), ["consul.service", "nomad.service"]);
        for (const config of Object.values(documents)) {
            assert.deepEqual(config.runcmd?.at(0), ["set", "-e"]);
            assert.deepEqual(config.runcmd?.at(-1), [
                "systemctl",
                "enable",
                "--now",
                "--no-block",
                "gatehouse.target",
            ]);
        }
    });

    it("tell a server of its peers, a client of all servers, and a lonely server of nobody", () => {
        const common = { datacenter: "dc1", serverAddresses: servers.map((server) => server.address) };
        const server = { ...common, nodeName: "server-2", address: "10.213.0.12", server: true };
        const onlyClient = {
            ...common,
            nodeName: "client-1",
            address: "10.213.0.21",
            server: false,
            client: images,
        };
        const lonely = { ...server, serverAddresses: [server.address] };

        assert.deepEqual(consulConfiguration(server).retry_join, ["10.213.0.11", "10.213.0.13"]);
        assert.equal(consulConfiguration(server).bootstrap_expect, 3);
        assert.deepEqual(consulConfiguration(onlyClient).retry_join, common.serverAddresses);
        assert.equal(consulConfiguration(onlyClient).bootstrap_expect, undefined);
        assert.equal(consulConfiguration(lonely).retry_join, undefined);

        const joined = { retry_join: ["10.213.0.11", "10.213.0.13"], retry_interval: "1s" };
        assert.deepEqual(nomadConfiguration(server).server?.server_join, joined);
        assert.equal(nomadConfiguration(server).client, undefined);
        assert.deepEqual(
            nomadConfiguration(onlyClient).client?.server_join?.retry_join,
            common.serverAddresses,
        );
        assert.equal(nomadConfiguration(onlyClient).server, undefined);
        assert.equal(nomadConfiguration({ ...lonely, client: images }).server?.server_join, undefined);
    });

    it("keep servers' data and let clients go", () => {
        const args = {
            datacenter: "dc1",
            nodeName: "n",
            address: "10.213.0.11",
            serverAddresses: ["10.213.0.11"],
        };
        assert.equal(consulConfiguration({ ...args, server: true }).leave_on_terminate, false);
        assert.equal(consulConfiguration({ ...args, server: false }).leave_on_terminate, true);
    });
});

describe("gatehouse-ready", () => {
    it("is a shell script without the mistakes that shells tell of", async () => {
        for (const name of ["gatehouse-ready", "wait-for-consul", "forget-networks"]) {
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

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { type CloudConfig, renderUserData } from "../../../cloud-init";
import { dataSource } from "../../../components/machines/docker-machine";
import { imageReference } from "../../../toolchain/images";
import { docker } from "../../support/docker";
import { systemdFlags } from "../../support/systemd-machine";

export interface BootArgs {
    /** The container's name. */
    name: string;
    /** What the container is called inside, whatever the document says. */
    hostname: string;
    config: CloudConfig;
    /** A base image. Default: machine-nomad. */
    image?: string;
    /** A Docker network. Default: Docker's own. */
    network?: string;
}

/** Boots a document in a container, as the Docker substrate does. */
export async function boot({ name, hostname, config, image, network }: BootArgs): Promise<void> {
    const flags = [
        ...systemdFlags(),
        ...(network === undefined ? [] : [`--network=${network}`]),
        "--volume=/var/lib/docker",
    ];
    const seed = mkdtempSync(join(tmpdir(), "gatehouse-seed-"));
    try {
        for (const [path, content] of Object.entries({
            "etc/cloud/cloud.cfg.d/90-gatehouse.cfg": dataSource,
            "var/lib/cloud/seed/nocloud/meta-data": `instance-id: test\nlocal-hostname: ${hostname}\n`,
            "var/lib/cloud/seed/nocloud/user-data": renderUserData(config),
        })) {
            mkdirSync(dirname(join(seed, path)), { recursive: true });
            writeFileSync(join(seed, path), content);
        }
        const reference = imageReference(image ?? "machine-nomad");
        await docker("create", "--name", name, "--hostname", hostname, ...flags, reference);
        await docker("cp", `${seed}/.`, `${name}:/`);
        await docker("start", name);
    } finally {
        rmSync(seed, { recursive: true, force: true });
    }
}

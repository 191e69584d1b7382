import { stringify } from "yaml";

import { unit } from "./base";
import { fromDebian, type Role } from "./packages";

/** As in the port table (components/security/ports.ts). */
const port = 5000;

/**
 * A machine that keeps container images: Debian's docker-registry on port 5000 of all its addresses, open and without
 * TLS. Who may reach it is the firewall's matter. The images are gone with the machine.
 */
export function registryHost(): Role {
    const configuration = {
        version: 0.1,
        log: { level: "warn", accesslog: { disabled: true } },
        storage: {
            filesystem: { rootdirectory: "/var/lib/docker-registry" },
            delete: { enabled: true },
            cache: { blobdescriptor: "inmemory" },
        },
        http: { addr: `:${port}` },
    };
    return {
        requires: [fromDebian("docker-registry"), fromDebian("curl")],
        write_files: [
            { path: "/etc/docker/registry/config.yml", content: stringify(configuration) },
            // The package brings the unit.
            ...unit("docker-registry.service"),
            { path: "/etc/systemd/system/docker-registry.service.d/gatehouse.conf", content: untilItAnswers },
        ],
    };
}

/** The unit counts as started when the registry answers. */
const untilItAnswers = [
    "[Service]",
    `ExecStartPost=curl -fsS -o /dev/null --retry 30 --retry-delay 1 --retry-connrefused http://127.0.0.1:${port}/v2/`,
    "Restart=always",
    "RestartSec=1",
    "",
].join("\n");

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { libraryFolder } from "../../../cloud-init";
import { applicationsPrefix, type EtcdClient } from "../../clusters/etcd/client";
import type { NodeFile } from "../../clusters/node-files";
import type { EtcdBalancerArgs } from "../etcd-balancer";
import { program } from "../node/assets";

/** A file of this folder as it stands. */
export function confdAsset(name: string): string {
    return readFileSync(join(__dirname, name), "utf8");
}

/** The folder of what confd and haproxy-entries read. */
export const confdFolder = "/etc/confd";

/** What confd renders, for haproxy-entries. */
const entries = "/run/haproxy/entries";

/** confd, its template, and what it calls. `unit` is what has to happen when they change. */
export function confdFiles(args: EtcdBalancerArgs, unit: NodeFile["unit"]): NodeFile[] {
    const file = (name: string, content: string, mode: NodeFile["mode"]): NodeFile => ({
        path: `${confdFolder}/${name}`,
        content,
        mode,
        owner: "root:root",
        unit,
    });
    const prefix = prefixOf(args);
    return [
        file("confd.toml", confdToml(args), "0600"),
        file("conf.d/haproxy.toml", templateToml(prefix), "0644"),
        file("templates/entries.tmpl", confdAsset("entries.tmpl").replace("@prefix@", prefix), "0644"),
        program("confd-run", confdAsset("confd-run"), unit),
    ];
}

/** Where the application's instances register. */
export function prefixOf({ application }: EtcdBalancerArgs): string {
    return `${applicationsPrefix}${application.name}/`;
}

/** confd's own settings. Has a secret. */
export function confdToml({ etcd, etcdFiles, discovery, intervalSeconds = 20 }: EtcdBalancerArgs): string {
    const files = etcdFiles === undefined ? "" : `# The files below: ${etcdFiles}\n`;
    return `${files}${toml({
        backend: "etcd",
        confdir: confdFolder,
        // Read anew after each change, or as the document does it.
        ...(discovery === "interval" ? { interval: intervalSeconds } : { watch: true }),
        "log-level": "warning",
        prefix: "/",
        scheme: "https",
        ...members(etcd),
    })}`;
}

function members(etcd: EtcdClient): Record<string, TomlValue> {
    return {
        nodes: etcd.endpoints,
        client_cakeys: etcd.caFile,
        client_cert: etcd.certificateFile,
        client_key: etcd.keyFile,
        basic_auth: true,
        username: etcd.user,
        password: etcd.password,
    };
}

function templateToml(prefix: string): string {
    return `[template]\n${toml({
        src: "entries.tmpl",
        dest: entries,
        mode: "0600",
        keys: [prefix.replace(/\/$/, "")],
        check_cmd: `${libraryFolder}/haproxy-entries --check {{.src}}`,
        // confd keeps what its commands say to itself.
        reload_cmd: `systemd-cat --identifier=haproxy-entries ${libraryFolder}/haproxy-entries`,
    })}`;
}

type TomlValue = string | number | boolean | readonly string[];

/** JSON's texts, numbers and lists are TOML's, too. */
function toml(values: Record<string, TomlValue>): string {
    return Object.entries(values)
        .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
        .join("");
}

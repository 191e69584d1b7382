import { libraryFolder } from "../../cloud-init";
import type { EtcdClient } from "../clusters/etcd/client";
import type { NodeAddress } from "../clusters/node";
import type { NodeConfiguration, NodeFile } from "../clusters/node-files";
import { refuseEtcdBalancer } from "./confd/arguments";
import { confdAsset, confdFiles, confdFolder, prefixOf } from "./confd/files";
import { certificateLinks } from "./confd/events-cfg";
import { etcdBalancerPorts, haproxyConfiguration } from "./confd/haproxy-cfg";
import { asset, program, unitFile } from "./node/assets";
import { discoveryFiles } from "./node/discovery";
import { guardFiles, type NodeGuardArgs } from "./node/guard";

export { etcdBalancerPorts } from "./confd/haproxy-cfg";

/**
 * How HAProxy learns of instances: confd reads etcd after each change (`watch`), or every so often (`interval`, the
 * document's way), or HAProxy watches etcd itself (`events`).
 */
export type EtcdDiscovery = "watch" | "interval" | "events";

export interface EtcdBalancerArgs {
    /** The machine that the files are for. */
    node: NodeAddress;
    /** As a user that may read what is below `/apps/`. */
    etcd: EtcdClient;
    /**
     * Another text when the files that `etcd` names have other contents, a digest for instance: who has read them reads them
     * again then. Letters and digits. Default: they stay as they are.
     */
    etcdFiles?: string;
    application: {
        /** As it registers: `/apps/<name>/<name>@<n>.service`. */
        name: string;
        /** The ports that its instances may have. */
        ports: { from: number; to: number };
        /** What HAProxy asks to see whether an instance is well; 200 to 399 says so. Default: `/health`. */
        healthPath?: string;
        /** The cookie that the application makes for a session; its requests go to the instance that made it. Default: `JSESSIONID`. */
        sessionCookie?: string;
        /** Instances that get requests, at the most; the lowest numbers do. 1 to 512. Default: 64. */
        maxServers?: number;
    };
    /** The network that instances are in, e.g. `10.219.0.0/24`. What registers with another address gets nothing. */
    network: string;
    /** Addresses in it that are no instance's. The balancer's own and those of etcd's members never are. Default: none. */
    excluded?: readonly string[];
    /** Default: `watch`. A change loses no request. */
    discovery?: EtcdDiscovery;
    /** Whole seconds between two looks by `interval`. Default: 20. */
    intervalSeconds?: number;
    /** For HAProxy's statistics and metrics and the guard's, on port 8888; letters, digits, `-`, `_` and `.`. */
    stats: { user: string; password: string };
    /** What protects against a list that is suddenly short: see guard/README.md. */
    guard?: NodeGuardArgs;
}

const units = {
    haproxy: "haproxy.service",
    guard: "haproxy-guard.service",
    metrics: "haproxy-metrics.service",
    template: "confd.service",
} as const;

const bootstrapPath = "/etc/haproxy/bootstrap.cfg";
const tmpfiles = "/etc/tmpfiles.d/haproxy.conf";

/**
 * HAProxy on a machine of its own, in front of an application whose instances register in etcd: confd reads them,
 * `haproxy-entries` believes what is well-formed, the guard takes it into use. Pure; the machine has the packages
 * `haproxy`, `lua-cjson`, `socat` and `python3`, and the program `confd`.
 *
 * A change of settings interrupts nothing. Only other unit files restart HAProxy, which closes its ports for a moment.
 *
 * @throws pulumi.InputPropertiesError with everything that is wrong with the arguments, and no secret.
 */
export function etcdBalancer(args: EtcdBalancerArgs): NodeConfiguration {
    refuseEtcdBalancer(args);
    // By events confd has nothing to do.
    const confd = args.discovery !== "events";
    return {
        files: [
            ...haproxyFiles(args),
            ...guardFiles(args.guard, units, confdAsset("haproxy-refresh")).map((file) =>
                !confd && file.unit?.name === units.template
                    ? { ...file, unit: { name: units.guard, change: "restart" as const } }
                    : file,
            ),
            ...(confd
                ? [
                      ...confdFiles(args, { name: units.template, change: "restart" }),
                      unitFile(units.template, confdAsset("confd.service")),
                  ]
                : []),
        ],
        units: [
            {
                name: units.haproxy,
                // With the certificate where it is looked for, and what Lua is told beside the file, if anything.
                check: [
                    ...["sh", "-c"],
                    `systemd-tmpfiles --create ${tmpfiles} && . ${libraryFolder}/haproxy-common && check ${bootstrapPath}`,
                ],
                healthy: [
                    ...["curl", "--silent", "--fail", "--max-time", "2", "--output", "/dev/null"],
                    `http://127.0.0.1:${etcdBalancerPorts.stats}/health`,
                ],
            },
            { name: units.guard },
            { name: units.metrics },
            ...(confd
                ? [
                      {
                          // Active, not "has rendered": it waits for an etcd that may be about to be configured itself.
                          name: units.template,
                          check: [`${libraryFolder}/haproxy-entries`, "--check", "/dev/null"],
                      },
                  ]
                : []),
        ],
    };
}

function haproxyFiles(args: EtcdBalancerArgs): NodeFile[] {
    const reload = { name: units.haproxy, change: "reload" } as const;
    const file = (
        path: string,
        content: string,
        mode: NodeFile["mode"],
        unit?: NodeFile["unit"],
    ): NodeFile => ({ path, content, mode, owner: "root:root", unit });
    // By events nothing has to be read first: HAProxy starts with all of it.
    const events = args.discovery === "events";
    const configuration = haproxyConfiguration(args);
    const entries = `${JSON.stringify(entriesSettings(args), undefined, 2)}\n`;
    return [
        file(bootstrapPath, events ? configuration : bootstrap(), "0600", reload),
        file(`${confdFolder}/haproxy.cfg`, configuration, "0600", reload),
        file(`${confdFolder}/entries.json`, entries, "0644", reload),
        // Also instead of the package's file, which gives HAProxy's user the folder.
        file(tmpfiles, asset("tmpfiles.conf") + certificateLinks(args.etcd), "0644"),
        ...discoveryFiles(reload),
        program("haproxy-entries", confdAsset("haproxy-entries"), reload),
        unitFile(units.haproxy),
    ];
}

/** The node balancers' bootstrap configuration, with the statistics where they are here. */
function bootstrap(): string {
    return asset("bootstrap.cfg").replace("bind 127.0.0.1:1936", `bind *:${etcdBalancerPorts.stats}`);
}

/** What an entry has to be to count: the settings of haproxy-entries. */
export function entriesSettings(args: EtcdBalancerArgs): Record<string, unknown> {
    const { node, etcd, application, network, excluded = [] } = args;
    const members = etcd.endpoints.map((endpoint) => new URL(endpoint).hostname);
    return {
        application: application.name,
        prefix: prefixOf(args),
        network,
        excluded: [...new Set([node.address, ...members, ...excluded])],
        ports: application.ports,
        maxServers: application.maxServers ?? 64,
    };
}

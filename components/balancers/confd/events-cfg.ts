import { createHash } from "node:crypto";

import { libraryFolder } from "../../../cloud-init";
import type { EtcdClient } from "../../clusters/etcd/client";
import { type EtcdBalancerArgs, entriesSettings } from "../etcd-balancer";
import { discoveryVersion } from "../node/discovery";
import { guardDefaults } from "../node/guard";
import type { DiscoverySections } from "./haproxy-cfg";

/** Where Lua meets etcd: HAProxy on the same machine has the certificate, and knows which members are well. */
export const gateway = { address: "127.0.0.1", port: 2378 } as const;

/** The machine's certificate and its key beside it, by the names that HAProxy looks for (tmpfiles). */
const certificate = "/run/haproxy/etcd.pem";

/** Lua inside HAProxy fills the servers, of which there are as many as instances that may get requests. Has secrets. */
export function eventsSections(args: EtcdBalancerArgs): DiscoverySections {
    const { application, etcd } = args;
    const settings = entriesSettings(args);
    return {
        // It has read the certificate, and does so again with another configuration.
        files: args.etcdFiles === undefined ? "" : `    # etcd's files: ${args.etcdFiles}`,
        level: "err",
        module: [
            "    # What it is told is below; the guard's helpers put it into this file. Another version of it is another configuration.",
            '    setenv DISCOVERY_SETTINGS "${.FILE}.json"',
            `    setenv DISCOVERY_VERSION ${discoveryVersion}`,
            `    lua-load ${libraryFolder}/events.lua`,
            `#discovery ${JSON.stringify(luaSettings(args))}`,
        ].join("\n"),
        state: "none",
        wait: [
            "    # Who comes before etcd has named the first instances waits for that.",
            "    http-request lua.discovery-ready unless { var(proc.discovery) -m bool }",
        ].join("\n"),
        guard: "#guard none",
        // Another instance may get the same server: its name in cookies is made of the address.
        dynamic: ` dynamic\n    dynamic-cookie-key ${cookieKey(args)}`,
        servers: `    server-template ${application.name} 1-${settings.maxServers} 127.0.0.1:1 disabled`,
        pages: [
            "    http-request use-service lua.discovery-metrics if { path /discovery/metrics }",
            "    http-request use-service lua.discovery-status if { path /discovery }",
        ].join("\n"),
        source: etcdSection(etcd),
    };
}

function luaSettings(args: EtcdBalancerArgs): object {
    const { etcd, application } = args;
    const guard = { ...guardDefaults, ...args.guard };
    return {
        etcd: { ...gateway, user: etcd.user, password: etcd.password },
        services: [{ name: application.name, backend: application.name, entries: entriesSettings(args) }],
        guard: { minimumShare: guard.minimumShare, hold: guard.holdSeconds },
        wait: 5,
        patience: 5,
        state: "/state/discovery.json",
    };
}

/** The same on every machine that has the same password, so that a session outlives its balancer. */
function cookieKey({ stats }: EtcdBalancerArgs): string {
    return createHash("sha256").update(`cookies ${stats.password}`).digest("hex").slice(0, 32);
}

function etcdSection(etcd: EtcdClient): string {
    const tls = `ssl verify required ca-file ${etcd.caFile} crt ${certificate} ssl-min-ver TLSv1.2`;
    return [
        "# etcd for Lua: only the questions that it has.",
        "listen gatehouse.etcd",
        `    bind ${gateway.address}:${gateway.port}`,
        "    no log",
        "    http-request deny unless { method POST } { path /v3/auth/authenticate /v3/kv/range /v3/watch }",
        "    # Lua reads no long answers; it asks for less instead (etcd.lua). A watch has no end.",
        "    http-request set-var(txn.whole) int(1) unless { path /v3/watch }",
        "    http-response wait-for-body time 2s at-least 12001 if { var(txn.whole) -m found }",
        "    http-response return status 507 if { var(txn.whole) -m found } { res.body_len gt 12000 }",
        "    # Lua is gone: nobody waits for the rest of its watch.",
        "    option abortonclose",
        "    balance roundrobin",
        "    # A member without a leader is not well; one whose disk is full still answers.",
        "    option httpchk GET /health?exclude=NOSPACE",
        "    http-check expect status 200",
        "    default-server on-marked-down shutdown-sessions",
        ...etcd.endpoints.map(
            (endpoint, index) => `    server etcd-${index + 1} ${new URL(endpoint).host} ${tls}`,
        ),
    ].join("\n");
}

/** Lines of tmpfiles.d. */
export function certificateLinks(etcd: EtcdClient): string {
    return [
        "# The certificate by which HAProxy asks etcd; the key is beside it where HAProxy looks for it.",
        `L+ ${certificate} - - - - ${etcd.certificateFile}`,
        `L+ ${certificate}.key - - - - ${etcd.keyFile}`,
        "",
    ].join("\n");
}

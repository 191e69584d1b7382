import type { FirstToEnd } from "../components/security/expiry";
import { type EtcdSettings, etcdNodes, suitable } from "../settings/etcd";
import { certificateLine, renderLabReadme } from "./readme";
import { renderTopology, type TopologyEdge } from "./topology";

/** How HAProxy learns of instances. */
const hearing: Record<EtcdSettings["discovery"], TopologyEdge[]> = {
    watch: [
        { from: "members", to: "confd", label: "keys, the moment they change" },
        { from: "confd", to: "haproxy", label: "configuration, reload" },
    ],
    interval: [
        { from: "confd", to: "members", label: "asks in an interval" },
        { from: "confd", to: "haproxy", label: "configuration, reload" },
    ],
    events: [
        { from: "members", to: "haproxy", label: "keys, the moment they change" },
        { from: "confd", to: "haproxy", label: "configuration without instances" },
    ],
};

/** The lab as a diagram: who registers where, who tells HAProxy, and where requests go. */
export function etcdTopology(settings: EtcdSettings, urls: Record<string, string>): string {
    const machines = suitable(settings);
    const unit = `${settings.webapp.name}@`;
    return renderTopology(
        [
            { id: "you", label: "you" },
            { id: "balancer-1", label: "balancer-1" },
            { id: "haproxy", label: "HAProxy", inside: "balancer-1" },
            { id: "confd", label: "confd", inside: "balancer-1" },
            { id: "members", label: "etcd: members elect a leader" },
            ...etcdNodes(settings)
                .filter(({ role }) => role === "member")
                .map(({ name }) => ({ id: name, label: name, inside: "members" })),
            { id: "machines", label: describe(settings.webapp.requires) },
            ...machines.flatMap(({ name }) => [
                { id: name, label: name, inside: "machines" },
                { id: `${name}-unit`, label: unit, inside: name },
            ]),
        ],
        [
            { from: "you", to: "haproxy", label: urls["webapp"] },
            ...machines.map(({ name }) => ({ from: "haproxy", to: `${name}-unit` })),
            { from: "machines", to: "members", label: "registration with a lease" },
            ...hearing[settings.discovery],
        ],
    );
}

/** The stack's page in Pulumi's console. */
export function etcdReadme(urls: Record<string, string>, topology: string, certificate: FirstToEnd): string {
    const page = renderLabReadme("etcd", urls, topology, {
        webapp: "the web application: units that announce themselves in etcd",
        haproxyStats: "HAProxy's statistics; user and password are in the `environment` output",
        etcd: "the first member: certificates, users and passwords are in the `environment` output",
    });
    return `${page}\n${certificateLine(certificate)}\n`;
}

function describe(metadata: Record<string, string>): string {
    const words = Object.entries(metadata).map(([key, value]) => `${key}=${value}`);
    return words.length === 0 ? "machines" : `machines with ${words.join(", ")}`;
}

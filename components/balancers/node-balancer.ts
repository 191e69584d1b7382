import { isIPv4 } from "node:net";

import * as pulumi from "@pulumi/pulumi";

import type { NodeAddress } from "../clusters/node";
import type { NodeConfiguration, NodeFile } from "../clusters/node-files";
import { asset, unitFile } from "./node/assets";
import { discoveryFiles, discoverySettings, type NodeDiscovery } from "./node/discovery";
import { nodeDns } from "./node/dns";
import { guardDefaults, guardFiles, type NodeGuardArgs, refuseGuard } from "./node/guard";
import { operatorsFiles, type OperatorsEndpointArgs, operatorsSections } from "./node/operators";
import { reservedPorts } from "./node/ports";

export { operatorsPorts, type OperatorsEndpointArgs } from "./node/operators";

export interface NodeBalancerArgs {
    /** The machine that the files are for. */
    node: NodeAddress;
    /** The cluster's network, e.g. `10.218.0.0/24`. */
    network: string;
    /** Secret id of a Consul token that may read services and nodes. */
    consulToken: string;
    /** Services are `<service>.<domain>`. Default: `service`. */
    domain?: string;
    /**
     * How HAProxy learns of instances: consul-template renders each (`template`), or HAProxy asks Consul itself, and
     * consul-template renders only which services there are (`events`). A change is a reload. Default: `template`.
     */
    discovery?: NodeDiscovery;
    /** Other nodes' instances are asked only while this node has none that is well. Default: false. */
    preferLocal?: boolean;
    /**
     * Networks, e.g. `192.168.255.0/24`, whose connections to port 80 begin with a PROXY header, which says who calls.
     * Others' do not. Default: none.
     */
    proxySources?: readonly string[];
    /**
     * For HAProxy's statistics and metrics and the guard's, on 127.0.0.1:1936; letters, digits, `-`, `_` and `.`.
     * Default: nobody sees more than `/health` and `/ready`.
     */
    stats?: { user: string; password: string };
    /** What protects against a catalogue that is suddenly short: see guard/README.md. */
    guard?: NodeGuardArgs;
    /** The operators' way to Consul and Nomad, on machines that are servers. Default: none. */
    operators?: OperatorsEndpointArgs;
}

/** HAProxy itself; a soft stop closes its ports and lets requests finish. */
export const balancerUnit = "haproxy.service";

const units = {
    haproxy: balancerUnit,
    guard: "haproxy-guard.service",
    metrics: "haproxy-metrics.service",
    template: "consul-template.service",
} as const;

const templateFolder = "/etc/consul-template";

/**
 * HAProxy on a node of a cluster, rendered by consul-template through the guard from the services that are tagged
 * `routed`, and dnsmasq that sends the node and its containers to it. Pure; the machine has the packages `haproxy`,
 * `dnsmasq-base`, `lua-cjson` and `socat`, and the program `consul-template` (image `machine-routed`).
 *
 * A change of settings interrupts nothing: they are in a file that consul-template watches. Only other unit files restart
 * HAProxy, which closes its ports for a moment.
 *
 * @throws pulumi.InputPropertiesError with everything that is wrong with the arguments, and no secret.
 */
export function nodeBalancer(args: NodeBalancerArgs): NodeConfiguration {
    refuse(args);
    const { node, network } = args;
    const dns = nodeDns({ node, network, domain: domainOf(args) });
    return {
        files: [
            ...haproxyFiles(args),
            ...guardFiles(args.guard, units),
            ...templateFiles(args),
            ...dns.files,
        ],
        units: [
            {
                name: units.haproxy,
                check: ["haproxy", "-c", "-f", "/etc/haproxy/bootstrap.cfg"],
                healthy: [
                    ...["curl", "--silent", "--fail", "--max-time", "2", "--output", "/dev/null"],
                    "http://127.0.0.1:1936/health",
                ],
            },
            { name: units.guard },
            { name: units.metrics },
            // Active, not "has rendered": it waits for a Consul that may be about to be configured itself.
            {
                name: units.template,
                check: ["consul-template", `-config=${templateFolder}/consul-template.hcl`, "-parse-only"],
            },
            ...dns.units,
        ],
    };
}

function haproxyFiles({ operators }: NodeBalancerArgs): NodeFile[] {
    const reload = { name: units.haproxy, change: "reload" } as const;
    const sections = operators === undefined ? "" : operatorsSections(operators);
    return [
        {
            path: "/etc/haproxy/bootstrap.cfg",
            content: asset("bootstrap.cfg") + sections,
            mode: operators === undefined ? "0644" : "0600",
            owner: "root:root",
            unit: reload,
        },
        ...(operators === undefined ? [] : operatorsFiles(operators, reload)),
        ...discoveryFiles(reload),
        // Also instead of the package's file, which gives HAProxy's user the folder.
        {
            path: "/etc/tmpfiles.d/haproxy.conf",
            content: asset("tmpfiles.conf"),
            mode: "0644",
            owner: "root:root",
        },
        unitFile(units.haproxy),
    ];
}

function templateFiles(args: NodeBalancerArgs): NodeFile[] {
    const restart = { name: units.template, change: "restart" } as const;
    const file = (
        name: string,
        content: string,
        mode: NodeFile["mode"],
        unit?: NodeFile["unit"],
    ): NodeFile => ({
        path: `${templateFolder}/${name}`,
        content,
        mode,
        owner: "root:root",
        unit,
    });
    return [
        file("consul-template.hcl", asset("consul-template.hcl"), "0644", restart),
        file("haproxy.ctmpl", asset("haproxy.ctmpl"), "0644", restart),
        file("token", args.consulToken, "0600", restart),
        // haproxy-refresh waits until consul-template has rendered them.
        file("balancer.json", `${JSON.stringify(balancerSettings(args), undefined, 2)}\n`, "0600", {
            name: units.haproxy,
            change: "reload",
        }),
        unitFile(units.template),
    ];
}

/** What haproxy.ctmpl reads. */
export function balancerSettings(args: NodeBalancerArgs): Record<string, unknown> {
    return {
        node: args.node.name,
        address: args.node.address,
        domain: domainOf(args),
        ...(args.discovery === "events" && {
            discovery: discoverySettings(args.consulToken, { ...guardDefaults, ...args.guard }),
        }),
        preferLocal: args.preferLocal ?? false,
        ...(args.proxySources?.length && { proxySources: args.proxySources.join(" ") }),
        statsUser: args.stats?.user ?? "",
        statsPassword: args.stats?.password ?? "",
        reserved: reservedPorts.map(String),
        operators: args.operators === undefined ? "" : operatorsSections(args.operators),
    };
}

const cidrLength = /\/([0-9]|[12][0-9]|3[0-2])$/;

function domainOf({ domain = "service" }: NodeBalancerArgs): string {
    return domain;
}

/** Never with a secret in the message. */
function refuse(args: NodeBalancerArgs): void {
    const errors: { propertyPath: string; reason: string }[] = [];
    const must = (right: boolean, propertyPath: string, reason: string): void => {
        if (!right) {
            errors.push({ propertyPath, reason });
        }
    };
    const word = /^[A-Za-z0-9._-]+$/;
    const characters = "must be letters, digits, '-', '_' and '.'";
    must(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(args.node.name), "node.name", "must be a host name");
    must(isIPv4(args.node.address), "node.address", "must be an IPv4 address");
    const [base, length] = args.network.split("/");
    must(
        isIPv4(base ?? "") && Number(length) >= 8 && Number(length) <= 32,
        "network",
        "must be like 10.218.0.0/24",
    );
    must(
        (args.proxySources ?? []).every((source) => isIPv4(source.split("/")[0]!) && cidrLength.test(source)),
        "proxySources",
        "must be networks like 192.168.255.0/24",
    );
    must(
        /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(args.consulToken),
        "consulToken",
        "must be a UUID",
    );
    must(/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(domainOf(args)), "domain", "must be one label, such as service");
    must(domainOf(args) !== "consul", "domain", "consul is Consul's own");
    for (const [path, account] of Object.entries({ stats: args.stats, operators: args.operators })) {
        if (account !== undefined) {
            must(word.test(account.user), `${path}.user`, characters);
            must(word.test(account.password), `${path}.password`, characters);
        }
    }
    const { operators } = args;
    if (operators !== undefined) {
        const { certificate, nomad } = operators;
        must(
            /BEGIN CERTIFICATE/.test(certificate.certPem),
            "operators.certificate.certPem",
            "is no certificate in PEM",
        );
        must(
            /BEGIN .*PRIVATE KEY/.test(certificate.keyPem),
            "operators.certificate.keyPem",
            "is no key in PEM",
        );
        must(/BEGIN CERTIFICATE/.test(nomad.caPem), "operators.nomad.caPem", "is no certificate in PEM");
        must(word.test(nomad.serverName ?? "localhost"), "operators.nomad.serverName", "must be a host name");
    }
    refuseGuard(args.guard, must);
    if (errors.length > 0) {
        const reasons = errors.map(({ propertyPath, reason }) => `${propertyPath}: ${reason}`).join("; ");
        throw new pulumi.InputPropertiesError({
            message: `The balancer on ${args.node.name}: ${reasons}`,
            errors,
        });
    }
}

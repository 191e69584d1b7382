import * as consul from "@pulumi/consul";
import * as nomad from "@pulumi/nomad";
import * as pulumi from "@pulumi/pulumi";

import type { Machine } from "../machines/machine";
import { type ArgumentProblem, refuseArguments } from "../security/arguments";
import { ports } from "../security/ports";
import { nodeAddress, privateInterface } from "./node";
import type { NodeConfiguration } from "./node-files";
import type { RollArgs } from "./node-script";
import type { NomadClientArgs } from "./nomad-agent";
import { openNode, openNomadApi } from "./open-node";
import { openReadiness } from "./readiness";
import { clusterPlan, RollingNode } from "./roll";

/** A machine of the cluster: a server, a client that runs jobs, or both in one. */
export interface OpenMember {
    /** Its user data makes it a host of Consul and Nomad (`consulHost`, `nomadHost`). */
    machine: Machine;
    /** Whether it votes in Consul's and Nomad's consensus. */
    server: boolean;
    /** Whether it runs jobs. A server that does is for demo labs. */
    client: boolean;
}

export interface OpenClusterArgs {
    /** Consul's and Nomad's; lower-case letters, digits and hyphens. Choose it once: a cluster keeps its own. */
    datacenter: string;
    /** At least one server. The first server publishes Consul's and Nomad's HTTP ports. */
    members: readonly OpenMember[];
    /** What clients run tasks with. */
    tasks: pulumi.Input<NomadClientArgs>;
    /** `INFO`, `DEBUG` … A change restarts the agents, one node after the other. Default: `INFO`. */
    logLevel?: string;
}

/**
 * Consul and Nomad on machines of a network of their own, without certificates and tokens. As in a SecureCluster, the
 * machines boot without a word about their cluster, and a change of configuration is taken over one node after the other
 * ({@link RollingNode}). A lone server is let go with its data when its machine is replaced: what lives in the cluster
 * has to be made anew then (`replaceWith`).
 */
export class OpenCluster extends pulumi.ComponentResource {
    /** Consul's API and UI as the operator reaches them, e.g. `http://127.0.0.1:8500`. */
    readonly consulAddress: pulumi.Output<string>;
    /** Nomad's, likewise. */
    readonly nomadAddress: pulumi.Output<string>;
    /** Work on the complete cluster. */
    readonly providers: { consul: consul.Provider; nomad: nomad.Provider };

    private readonly servers: Machine[];

    /** @throws pulumi.InputPropertiesError that names every argument that cannot be used. */
    constructor(
        label: string,
        private readonly args: OpenClusterArgs,
        opts: pulumi.ComponentResourceOptions = {},
    ) {
        super("gatehouse:clusters:OpenCluster", label, {}, opts);
        // Children do not inherit it.
        const child: pulumi.CustomResourceOptions = { parent: this, deletedWith: opts.deletedWith };
        const machines = (which: (member: OpenMember) => boolean) =>
            args.members.filter(which).map(({ machine }) => machine);
        this.servers = machines(({ server }) => server);
        const clients = machines(({ server }) => !server);
        refuseArguments(label, problems(args.members));
        const first = this.servers[0]!;
        const nodes = args.members.map(
            (member) =>
                new RollingNode(
                    member.machine.name,
                    {
                        machine: member.machine,
                        configuration: this.configuration(member),
                        roll: this.roll(member),
                    },
                    child,
                ),
        );
        const gates = nodes.map(({ gate }) => gate);
        clusterPlan(
            `${label}-plan`,
            {
                machine: first,
                servers: this.servers.map(({ name }) => name),
                clients: clients.map(({ name }) => name),
                roll: this.roll({ machine: first, server: true, client: false }),
            },
            { ...child, dependsOn: gates },
        );
        const ready = openReadiness(
            { servers: this.servers, clients, workers: machines(({ client }) => client), after: gates },
            child,
        );

        const endpoint = (port: number) =>
            pulumi.all([first.endpoint(port), ready]).apply(([{ host, port: at }]) => `${host}:${at}`);
        const consulEndpoint = endpoint(ports.consulHttp.from);
        this.consulAddress = pulumi.interpolate`http://${consulEndpoint}`;
        this.nomadAddress = pulumi.interpolate`http://${endpoint(ports.nomadHttp.from)}`;
        this.providers = {
            consul: new consul.Provider(
                "consul-provider",
                // With the datacenter set the provider does not ask the agent for it, which a preview could not.
                { address: consulEndpoint, scheme: "http", datacenter: args.datacenter },
                { parent: this },
            ),
            nomad: new nomad.Provider("nomad-provider", { address: this.nomadAddress }, { parent: this }),
        };
        this.registerOutputs({ consulAddress: this.consulAddress, nomadAddress: this.nomadAddress });
    }

    private roll({ server, client }: OpenMember): RollArgs {
        return {
            role: server ? "server" : "client",
            jobs: client,
            expendable: server && this.servers.length === 1,
            consul: {},
            nomad: { api: openNomadApi },
        };
    }

    private configuration({ machine, client }: OpenMember): pulumi.Output<NodeConfiguration> {
        const { datacenter, logLevel, tasks } = this.args;
        return pulumi
            .all([
                nodeAddress(machine),
                pulumi.all(this.servers.map(nodeAddress)),
                tasks,
                privateInterface(machine),
            ])
            .apply(([node, servers, known, networkInterface]) =>
                openNode({
                    datacenter,
                    node,
                    servers,
                    logLevel,
                    ...(client ? { client: known, networkInterface } : {}),
                }),
            );
    }
}

function problems(members: readonly OpenMember[]): ArgumentProblem[] {
    const idle = members.filter(({ server, client }) => !server && !client);
    return [
        ...(members.some(({ server }) => server)
            ? []
            : [{ propertyPath: "members", reason: "must have at least one server" }]),
        ...idle.map(({ machine }) => ({
            propertyPath: `members.${machine.name}`,
            reason: "must be a server, a client or both",
        })),
    ];
}

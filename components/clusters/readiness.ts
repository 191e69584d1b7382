import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

import type { Machine } from "../machines/machine";
import { sshConnection } from "../machines/readiness";
import { ports } from "../security/ports";
import type { ClusterTokens } from "../security/tokens";
import { jsonLiteral, packed, scriptCommand, scriptSources } from "./node-script";
import { nomadCaFile } from "./nomad-configuration";
import { openNomadApi } from "./open-node";

/** How long a cluster may take to form once its machines are up, in seconds. */
const formationTimeout = 60;

export interface ClusterReadinessArgs {
    /** The script of `files/` that knows what is complete. */
    script: "consul-ready.py" | "nomad-ready.py";
    /** The agent's API as it is reached on the machine itself. */
    api: string;
    /** The machines whose agents are servers; the first is asked. */
    servers: readonly Machine[];
    /** The machines whose agents are clients. */
    clients: readonly Machine[];
    /** Secret: environment variables of the script, such as the agent's token. Default: none. */
    environment?: pulumi.Input<Record<string, string>>;
    /** What has to be done before, e.g. that the agents are configured. */
    after?: pulumi.Input<unknown>[];
}

/**
 * A command on the first server that succeeds when the whole cluster is there, and says what is missing when it
 * gives up. It runs again when a machine is replaced, added or removed.
 */
export function clusterReadiness(
    name: string,
    args: ClusterReadinessArgs,
    opts: pulumi.CustomResourceOptions,
): command.remote.Command {
    const [asked] = args.servers;
    if (asked === undefined) {
        throw new pulumi.InputPropertyError({
            propertyPath: "servers",
            reason: `${name} needs at least one server`,
        });
    }
    const machines = [...new Set([...args.servers, ...args.clients])];
    const script = readinessCommand(args.script, {
        api: args.api,
        servers: args.servers.map((machine) => machine.name),
        clients: args.clients.map((machine) => machine.name),
        timeout: formationTimeout,
    });
    return new command.remote.Command(
        `${name}-ready`,
        {
            connection: sshConnection(asked.connection),
            create: script.create,
            stdin: pulumi
                .all([script.stdin, args.environment ?? {}])
                .apply(([source, environment]) => withEnvironment(environment, source)),
            // Its error carries the output already.
            logging: command.remote.Logging.None,
            // sshd would refuse the variables that hand it over.
            addPreviousOutputInEnv: false,
            triggers: [
                ...machines.map((machine) => machine.instanceId),
                // Not a reason to run again, but to wait: a machine that fails to boot reports that itself.
                pulumi
                    .all([...machines.map((machine) => machine.ready), ...(args.after ?? [])])
                    .apply(() => "ready"),
            ],
        },
        opts,
    );
}

export interface SecureReadinessArgs extends Pick<ClusterReadinessArgs, "servers" | "clients"> {
    tokens: Pick<ClusterTokens, "consulManagement" | "nomadManagement">;
    /** What has to be done before: the nodes' gates. */
    after: command.remote.Command[];
}

/** Resolves when every member of both clusters, Consul's and Nomad's, is there. */
export function secureReadiness(
    { servers, clients, tokens, after }: SecureReadinessArgs,
    opts: pulumi.CustomResourceOptions,
): pulumi.Output<unknown> {
    return bothReady(
        {
            servers,
            after,
            consul: {
                clients,
                environment: tokens.consulManagement.apply((token) => ({ CONSUL_HTTP_TOKEN: token })),
            },
            nomad: {
                clients,
                api: `https://127.0.0.1:${ports.nomadHttp.from}`,
                environment: tokens.nomadManagement.apply((token) => ({
                    NOMAD_TOKEN: token,
                    SSL_CERT_FILE: nomadCaFile,
                })),
            },
        },
        opts,
    );
}

export interface OpenReadinessArgs extends Pick<ClusterReadinessArgs, "servers"> {
    /** The machines whose Consul is a client. */
    clients: readonly Machine[];
    /** The machines that run jobs; servers may be among them. */
    workers: readonly Machine[];
    /** What has to be done before: the nodes' gates. */
    after: command.remote.Command[];
}

/** The same for clusters that ask for no token. */
export function openReadiness(
    { servers, clients, workers, after }: OpenReadinessArgs,
    opts: pulumi.CustomResourceOptions,
): pulumi.Output<unknown> {
    const nomad = { clients: workers, api: openNomadApi };
    return bothReady({ servers, after, consul: { clients }, nomad }, opts);
}

function bothReady(
    args: {
        servers: readonly Machine[];
        after: command.remote.Command[];
        consul: Pick<ClusterReadinessArgs, "clients" | "environment">;
        nomad: Pick<ClusterReadinessArgs, "clients" | "environment" | "api">;
    },
    opts: pulumi.CustomResourceOptions,
): pulumi.Output<unknown> {
    const common = { servers: args.servers, after: args.after.map(({ stdout }) => stdout) };
    const api = `http://127.0.0.1:${ports.consulHttp.from}`;
    const consul = clusterReadiness(
        "consul",
        { script: "consul-ready.py", api, ...common, ...args.consul },
        opts,
    );
    const nomad = clusterReadiness("nomad", { script: "nomad-ready.py", ...common, ...args.nomad }, opts);
    return pulumi.all([consul.stdout, nomad.stdout]);
}

/** The script as a command and its input, so that an error shows the command alone. Pure. */
export function readinessCommand(
    script: ClusterReadinessArgs["script"],
    parameters: { api: string; servers: string[]; clients: string[]; timeout: number },
): { create: string; stdin: string } {
    return {
        create: scriptCommand(parameters),
        stdin: packed(scriptSources(["poll.py", script]).join("\n\n")),
    };
}

/** The script with variables in its environment: sshd takes none, and a command line can be read by everybody. Pure. */
export function withEnvironment(environment: Record<string, string>, source: string): string {
    return Object.keys(environment).length === 0
        ? source
        : `import json, os\nos.environ.update(json.loads(${jsonLiteral(environment)}))\n\n${source}`;
}

import type Docker from "dockerode";

import { boolean, map, object, pause, resource, set, string } from "../lib";
import { call, ifFound, isStatus, type Engine } from "./client";
import { carries, fromMap, labels, toMap, type Label } from "./labels";

interface IpamConfig {
    subnet?: string;
    gateway?: string;
    ipRange?: string;
    auxAddress?: Record<string, string>;
}

interface Inputs {
    name: string;
    labels?: Label[];
    driver?: string;
    options?: Record<string, string>;
    internal?: boolean;
    attachable?: boolean;
    ingress?: boolean;
    ipv6?: boolean;
    ipamDriver: string;
    ipamOptions?: Record<string, string>;
    ipamConfigs?: IpamConfig[];
}

interface Outputs extends Inputs {
    scope: string;
}

/** How long a deletion waits for the last containers to leave, as the official plugin does. */
const removalSeconds = 30;

const replace = true;

export const network = resource<Engine, Inputs, Outputs>({
    inputs: {
        name: string({ autoName: true, replace }),
        labels: labels({ replace }),
        driver: string({ computed: true, replace }),
        options: map(string(), { computed: true, replace }),
        internal: boolean({ computed: true, replace }),
        attachable: boolean({ replace }),
        ingress: boolean({ replace }),
        ipv6: boolean({ replace }),
        ipamDriver: string({ default: "default", replace }),
        ipamOptions: map(string(), { computed: true, replace }),
        ipamConfigs: set(
            object({
                subnet: string(),
                // Left out, the engine takes the first address of the subnet.
                gateway: string({ computed: true }),
                ipRange: string(),
                auxAddress: map(),
            }),
            { computed: true, replace },
        ),
    },
    outputs: { scope: string() },

    async create(context, inputs) {
        const { client, signal, log } = context;
        const docker = await client.api();
        const make = (): Promise<Docker.Network> =>
            docker.createNetwork({
                Name: inputs.name,
                // The engine's names are unique only when it is asked to look (and always from version 25 on).
                CheckDuplicate: true,
                ...(inputs.driver !== undefined && { Driver: inputs.driver }),
                Internal: inputs.internal ?? false,
                Attachable: inputs.attachable ?? false,
                Ingress: inputs.ingress ?? false,
                EnableIPv6: inputs.ipv6 ?? false,
                Options: inputs.options ?? {},
                Labels: toMap(inputs.labels),
                IPAM: {
                    Driver: inputs.ipamDriver,
                    Options: inputs.ipamOptions ?? {},
                    Config: (inputs.ipamConfigs ?? []).map(toEngine),
                },
                abortSignal: signal,
            } as Docker.NetworkCreateOptions);
        const what = `creating the network ${inputs.name}`;
        let made: Docker.Network;
        try {
            made = await call(client, what, make);
        } catch (error) {
            if (!isStatus(error, 409) || !(await removeLeftover(client, inputs, signal))) {
                throw isStatus(error, 409) ? nameTaken(inputs.name) : error;
            }
            log.info("removed an empty network of this name that an interrupted run had left behind");
            made = await call(client, what, make);
        }
        return { id: made.id, outputs: outputsOf(await inspect(client, made.id), inputs) };
    },

    async read({ client }, id, _state, inputs) {
        const found = await ifFound(client, `reading the network ${id}`, () => inspect(client, id));
        return (
            found && {
                id: found.Id,
                outputs: outputsOf(found, inputs),
                inputs: {
                    name: found.Name,
                    labels: fromMap(found.Labels),
                    driver: found.Driver,
                    options: found.Options ?? {},
                    internal: found.Internal,
                    attachable: found.Attachable,
                    ingress: found.Ingress,
                    ipv6: found.EnableIPv6,
                    ipamDriver: found.IPAM?.Driver ?? "default",
                    ipamConfigs: (found.IPAM?.Config ?? []).map(fromEngine),
                },
            }
        );
    },

    async delete({ client, signal, log }, id) {
        const docker = await client.api();
        const deadline = Date.now() + removalSeconds * 1000;
        for (;;) {
            try {
                await ifFound(client, `removing the network ${id}`, () =>
                    docker.getNetwork(id).remove({ abortSignal: signal }),
                );
                return;
            } catch (error) {
                if (!/has active endpoints/.test((error as Error).message)) {
                    throw error;
                }
                if (Date.now() > deadline) {
                    const { Containers } = await inspect(client, id);
                    const names = Object.values(Containers ?? {}).map((container) => container.Name);
                    throw new Error(
                        `removing the network: still in use by ${names.join(", ")}; remove or disconnect them`,
                    );
                }
                log.status("waiting for its containers to leave");
                await pause(250, signal);
            }
        }
    },
});

async function inspect(client: Engine, id: string): Promise<Docker.NetworkInspectInfo> {
    const docker = await client.api();
    return docker.getNetwork(id).inspect() as unknown as Promise<Docker.NetworkInspectInfo>;
}

/** What the engine has chosen where the program has not. */
function outputsOf(found: Docker.NetworkInspectInfo, inputs: Inputs | undefined): Partial<Outputs> {
    return {
        scope: found.Scope,
        driver: found.Driver,
        internal: found.Internal,
        ipamConfigs: (found.IPAM?.Config ?? []).map(fromEngine),
        ...(inputs?.options === undefined && { options: found.Options ?? {} }),
        ...(inputs?.ipamOptions === undefined && { ipamOptions: found.IPAM?.Options ?? {} }),
    };
}

function toEngine(config: IpamConfig): Record<string, unknown> {
    return {
        ...(config.subnet && { Subnet: config.subnet }),
        ...(config.gateway && { Gateway: config.gateway }),
        ...(config.ipRange && { IPRange: config.ipRange }),
        ...(config.auxAddress && { AuxiliaryAddresses: config.auxAddress }),
    };
}

function fromEngine(config: Record<string, unknown>): IpamConfig {
    const text = (key: string): string | undefined => (config[key] ? String(config[key]) : undefined);
    const aux = config.AuxiliaryAddresses as Record<string, string> | undefined;
    return {
        ...(text("Subnet") && { subnet: text("Subnet") }),
        ...(text("Gateway") && { gateway: text("Gateway") }),
        ...(text("IPRange") && { ipRange: text("IPRange") }),
        ...(aux && Object.keys(aux).length > 0 && { auxAddress: aux }),
    };
}

/**
 * A run that was killed between creating and recording leaves a network that nobody knows. It goes only when it has
 * this program's labels and no container, not even a stopped one, belongs to it.
 */
async function removeLeftover(client: Engine, inputs: Inputs, signal: AbortSignal): Promise<boolean> {
    const docker = await client.api();
    const found = await ifFound(client, "reading the network", () => inspect(client, inputs.name));
    if (!found || found.Name !== inputs.name || !carries(found.Labels, inputs.labels)) {
        return false;
    }
    const users = await docker.listContainers({ all: true, filters: { network: [found.Id] } });
    if (users.length > 0) {
        return false;
    }
    await ifFound(client, "removing the network", () =>
        docker.getNetwork(found.Id).remove({ abortSignal: signal }),
    );
    return true;
}

function nameTaken(name: string): Error {
    return new Error(
        `creating the network ${name}: the name is taken by a network that is not in this stack's state; ` +
            `if nothing needs it, remove it with "docker network rm ${name}", otherwise choose another name`,
    );
}

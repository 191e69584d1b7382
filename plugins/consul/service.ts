import { boolean, equal, integer, list, map, resource, string, type Context, type Failure } from "../lib";
import { checks, fromCatalog, refuseCheck, toCatalog, type Check } from "./checks";

import type { CatalogCheck, CatalogService, Place } from "./catalog";
import type { ConsulClient } from "./client";

interface Inputs extends Place {
    name: string;
    node: string;
    serviceId?: string;
    address?: string;
    port?: number;
    tags?: string[];
    meta?: Record<string, string>;
    weights?: Record<string, number>;
    checks?: Check[];
    enableTagOverride?: boolean;
    external?: boolean;
}

/** The official plugin puts this into every service's metadata, where Consul's pages look for it. */
const source = { "external-source": "terraform" };
const defaultWeights = { passing: 1, warning: 1 };

/** A service of the catalogue, on a node that exists. */
export const service = resource<ConsulClient, Inputs, Inputs>({
    inputs: {
        name: string({ autoName: true, replace: true }),
        node: string({ required: true, replace: true }),
        serviceId: string({ computed: true, replace: true }),
        address: string({ computed: true }),
        port: integer(),
        tags: list(string()),
        meta: map(string()),
        weights: map(integer(), {
            computed: true,
            same: (left, right) => equal(weightsOf(left), weightsOf(right)),
            validate: refuseWeights,
        }),
        checks,
        enableTagOverride: boolean(),
        external: boolean(),
        datacenter: string({ computed: true, replace: true }),
        namespace: string({ replace: true }),
        partition: string({ replace: true }),
    },

    check: (_context, inputs) => checkFailures(inputs),

    create: async (context, inputs) => {
        const outputs = await put(context, inputs, () => undefined);
        return { id: outputs.serviceId, outputs };
    },

    read: async (context, id, state, inputs) => {
        if (!state) {
            throw new Error(
                "consul:index/service:Service cannot be imported, by the official plugin neither",
            );
        }
        const { catalog } = context.client;
        const found = await catalog.node(context, state.node, state);
        const service = found?.Services?.[id];
        if (!found || service?.Service !== state.name) {
            return undefined;
        }
        const ofService = (await catalog.checks(context, state.node, state)).filter(
            ({ ServiceID }) => ServiceID === id,
        );
        return {
            outputs: {
                serviceId: service.ID,
                address: service.Address,
                datacenter: found.Node.Datacenter,
            },
            inputs: observe(service, ofService, state, inputs),
        };
    },

    update: async (context, id, state, news, oldInputs) => {
        const before = await context.client.catalog.checks(context, news.node, news);
        const live = before.filter(({ ServiceID }) => ServiceID === id);
        const outputs = await put(context, { ...news, serviceId: id }, (check) =>
            keepsStatus(check, oldInputs) ? live.find(({ CheckID }) => CheckID === check.checkId) : undefined,
        );
        // Registering adds and changes, but removes nothing.
        const wanted = new Set(news.checks?.map(({ checkId }) => checkId));
        for (const { CheckID } of live.filter((check) => !wanted.has(check.CheckID))) {
            await context.client.catalog.deregister(context, { Node: news.node, CheckID }, news);
        }
        return { ...outputs, datacenter: state.datacenter };
    },

    delete: async (context, id, state) =>
        context.client.catalog.deregister(context, { Node: state.node, ServiceID: id }, state),
});

async function put(
    context: Context<ConsulClient>,
    inputs: Inputs,
    live: (check: Check) => CatalogCheck | undefined,
): Promise<{ serviceId: string; address: string; datacenter: string }> {
    const { catalog } = context.client;
    const { node, name, serviceId = name } = inputs;
    // Consul would make a node, which then belongs to nobody.
    const found = await catalog.node(context, node, inputs);
    if (!found) {
        throw new Error(
            `the service "${name}" needs the node "${node}", which Consul does not know: make it first ` +
                `(consul.Node), or run "pulumi refresh" if it has been removed by hand`,
        );
    }
    const address = inputs.address ?? found.Node.Address;
    const weights = weightsOf(inputs.weights);
    await catalog.register(
        context,
        `service "${serviceId}"`,
        {
            Node: node,
            Address: found.Node.Address,
            SkipNodeUpdate: true,
            Service: {
                ID: serviceId,
                Service: name,
                Address: address,
                Port: inputs.port ?? 0,
                Tags: inputs.tags ?? [],
                Meta: { ...source, ...inputs.meta },
                Weights: { Passing: weights.passing, Warning: weights.warning },
                EnableTagOverride: inputs.enableTagOverride ?? false,
            },
            Checks: (inputs.checks ?? []).map((check) => toCatalog(check, { node, serviceId }, live(check))),
        },
        inputs,
    );
    return { serviceId, address, datacenter: found.Node.Datacenter };
}

/** A status that the program newly asks for is set; otherwise what the catalogue says stays. */
function keepsStatus(check: Check, oldInputs: Inputs): boolean {
    const before = oldInputs.checks?.find(({ checkId }) => checkId === check.checkId);
    return check.status === undefined || before?.status === check.status;
}

function observe(
    service: CatalogService,
    live: CatalogCheck[],
    state: Inputs,
    inputs: Inputs | undefined,
): Record<string, unknown> {
    const asked = new Map(inputs?.checks?.map((check) => [check.checkId, check]));
    const meta = Object.entries({ ...service.Meta }).filter(
        ([key]) => !(key in source) || inputs?.meta?.[key] !== undefined,
    );
    return {
        name: service.Service,
        node: state.node,
        serviceId: service.ID,
        address: service.Address,
        port: service.Port,
        tags: service.Tags ?? [],
        meta: Object.fromEntries(meta),
        weights: { passing: service.Weights.Passing, warning: service.Weights.Warning },
        checks: live.map((check) => fromCatalog(check, asked.get(check.CheckID))),
        enableTagOverride: service.EnableTagOverride,
    };
}

function weightsOf(value: unknown): { passing: number; warning: number } {
    return { ...defaultWeights, ...(value as Record<string, number> | undefined) };
}

function refuseWeights(weights: Record<string, unknown>): string | undefined {
    const unfit = Object.keys(weights).filter((key) => !(key in defaultWeights));
    return unfit.length > 0 ? `has no "${unfit.join('", "')}": use passing and warning` : undefined;
}

function checkFailures(inputs: Inputs): Failure[] {
    if (!Array.isArray(inputs.checks)) {
        return [];
    }
    const ids = inputs.checks.map(({ checkId }) => checkId);
    return inputs.checks.flatMap((check, index): Failure[] => {
        const property = `checks[${index}]`;
        const reason = refuseCheck(check);
        if (reason !== undefined) {
            return [{ property, reason: `"${property}" ${reason}` }];
        }
        return typeof check.checkId === "string" && ids.indexOf(check.checkId) < index
            ? [{ property, reason: `"${property}" has the checkId of another check of this service` }]
            : [];
    });
}

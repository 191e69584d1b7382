import {
    any,
    boolean,
    integer,
    list,
    object,
    resource,
    set,
    string,
    type Context,
    type Values,
} from "../lib";
import { numberOf, rfc3339, type LinodeClient } from "./client";

interface Rule {
    label: string;
    action: string;
    protocol: string;
    ports?: string;
    description?: string;
    ipv4s?: string[];
    ipv6s?: string[];
}

interface Inputs {
    label: string;
    inboundPolicy: string;
    outboundPolicy: string;
    inbounds?: Rule[];
    outbounds?: Rule[];
    linodes?: number[];
    nodebalancers?: number[];
    tags?: string[];
    disabled: boolean;
}

interface Outputs extends Inputs {
    status: string;
    created: string;
    updated: string;
    devices: object[];
}

interface RawRule {
    action: string;
    protocol: string;
    label?: string | null;
    description?: string | null;
    ports?: string | null;
    addresses?: { ipv4?: string[] | null; ipv6?: string[] | null } | null;
}

interface Firewall {
    id: number;
    label: string;
    status: string;
    tags: string[];
    created: string;
    updated: string;
    rules: { inbound: RawRule[]; outbound: RawRule[]; inbound_policy: string; outbound_policy: string };
}

interface Device {
    id: number;
    entity: { id: number; type: string; label: string; url: string };
}

const rules = list(
    object({
        label: string({ required: true }),
        action: string({ required: true, oneOf: ["ACCEPT", "DROP"] }),
        protocol: string({ required: true, oneOf: ["TCP", "UDP", "ICMP", "IPENCAP"] }),
        ports: string(),
        description: string(),
        ipv4s: list(string()),
        ipv6s: list(string()),
    }),
);

const policy = string({ required: true, oneOf: ["ACCEPT", "DROP"] });
const base = "/networking/firewalls";

export const firewall = resource<LinodeClient, Inputs, Outputs>({
    inputs: {
        label: string({ required: true }),
        inboundPolicy: policy,
        outboundPolicy: policy,
        inbounds: rules,
        outbounds: rules,
        linodes: set(integer(), { computed: true }),
        nodebalancers: set(integer(), { computed: true }),
        tags: set(string(), { computed: true }),
        disabled: boolean({ default: false }),
    },
    outputs: { status: string(), created: string(), updated: string(), devices: list(any()) },
    changesWith: (changed) => [
        "updated",
        ...(changed.has("disabled") ? ["status"] : []),
        ...(changed.has("linodes") || changed.has("nodebalancers") ? ["devices"] : []),
    ],

    create: async (context, inputs) => {
        const made = await context.client.create<Firewall>(
            context,
            base,
            {
                label: inputs.label,
                tags: inputs.tags ?? [],
                rules: rulesOf(inputs),
                devices: { linodes: inputs.linodes ?? [], nodebalancers: inputs.nodebalancers ?? [] },
            },
            { label: inputs.label },
        );
        const now = inputs.disabled
            ? await context.client.put<Firewall>(context, `${base}/${made.id}`, { status: "disabled" })
            : made;
        return { id: String(made.id), outputs: await shown(context, now) };
    },

    read: async (context, id) => {
        numberOf(id, "a firewall");
        const found = await context.client.find<Firewall>(context, `${base}/${id}`);
        if (!found) {
            return undefined;
        }
        const outputs = await shown(context, found);
        const { inbound, outbound, inbound_policy, outbound_policy } = found.rules;
        return {
            outputs,
            inputs: {
                label: found.label,
                inboundPolicy: inbound_policy,
                outboundPolicy: outbound_policy,
                inbounds: inbound.length > 0 ? inbound.map(observed) : undefined,
                outbounds: outbound.length > 0 ? outbound.map(observed) : undefined,
                linodes: outputs.linodes,
                nodebalancers: outputs.nodebalancers,
                tags: found.tags,
                disabled: found.status === "disabled",
            } as Values,
        };
    },

    update: async (context, id, _state, news) => {
        const { client } = context;
        await client.put(context, `${base}/${id}/rules`, rulesOf(news));
        const now = await client.put<Firewall>(context, `${base}/${id}`, {
            label: news.label,
            ...(news.tags ? { tags: news.tags } : {}),
            status: news.disabled ? "disabled" : "enabled",
        });
        await attach(context, id, "linode", news.linodes);
        await attach(context, id, "nodebalancer", news.nodebalancers);
        return shown(context, now);
    },

    delete: async (context, id) => context.client.remove(context, `${base}/${id}`),
});

/** Makes a firewall's devices of one kind be the wanted ones; what was left to others stays. */
async function attach(
    context: Context<LinodeClient>,
    id: string,
    type: string,
    wanted: number[] | undefined,
): Promise<void> {
    if (!wanted) {
        return;
    }
    const devices = (await context.client.list<Device>(context, `${base}/${id}/devices`)).filter(
        ({ entity }) => entity.type === type,
    );
    for (const device of devices.filter(({ entity }) => !wanted.includes(entity.id))) {
        await context.client.remove(context, `${base}/${id}/devices/${device.id}`);
    }
    for (const entityId of wanted.filter((one) => !devices.some(({ entity }) => entity.id === one))) {
        await context.client.post(context, `${base}/${id}/devices`, { id: entityId, type });
    }
}

async function shown(context: Context<LinodeClient>, firewall: Firewall) {
    const devices = await context.client.list<Device>(context, `${base}/${firewall.id}/devices`);
    const idsOf = (type: string) =>
        devices.filter(({ entity }) => entity.type === type).map(({ entity }) => entity.id);
    return {
        status: firewall.status,
        tags: firewall.tags,
        created: rfc3339(firewall.created)!,
        updated: rfc3339(firewall.updated)!,
        linodes: idsOf("linode"),
        nodebalancers: idsOf("nodebalancer"),
        devices: devices.map(({ id, entity }) => ({
            id,
            entityId: entity.id,
            type: entity.type,
            label: entity.label,
            url: entity.url,
        })),
    };
}

function rulesOf(inputs: Inputs): Firewall["rules"] {
    const raw = ({ label, action, protocol, ports, description, ipv4s, ipv6s }: Rule): RawRule => ({
        label,
        action,
        protocol,
        ...(ports ? { ports } : {}),
        ...(description ? { description } : {}),
        addresses: { ...(ipv4s?.length ? { ipv4: ipv4s } : {}), ...(ipv6s?.length ? { ipv6: ipv6s } : {}) },
    });
    return {
        inbound: (inputs.inbounds ?? []).map(raw),
        outbound: (inputs.outbounds ?? []).map(raw),
        inbound_policy: inputs.inboundPolicy,
        outbound_policy: inputs.outboundPolicy,
    };
}

function observed({ label, action, protocol, ports, description, addresses }: RawRule): Rule {
    return {
        label: label ?? "",
        action,
        protocol,
        ...(ports ? { ports } : {}),
        ...(description ? { description } : {}),
        ...(addresses?.ipv4?.length ? { ipv4s: addresses.ipv4 } : {}),
        ...(addresses?.ipv6?.length ? { ipv6s: addresses.ipv6 } : {}),
    };
}

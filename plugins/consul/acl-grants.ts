import { object, set, string } from "../lib";

import type { Grants } from "./acl";

/** What a token and a role have in common beside their policies. */
export interface GrantInputs {
    serviceIdentities?: { serviceName: string; datacenters?: string[] }[];
    nodeIdentities?: { nodeName: string; datacenter: string }[];
    templatedPolicies?: {
        templateName: string;
        templateVariables?: { name?: string };
        datacenters?: string[];
    }[];
}

// Consul answers with these in any order. The official plugin takes them for lists, and so another order for a change.

export const serviceIdentities = set(object({ serviceName: string({ required: true }), datacenters: set() }));

export const nodeIdentities = set(
    object({ nodeName: string({ required: true }), datacenter: string({ required: true }) }),
);

export const templatedPolicies = set(
    object({
        templateName: string({ required: true }),
        templateVariables: object({ name: string() }),
        datacenters: set(),
    }),
);

export function grantsOf(inputs: GrantInputs): Omit<Required<Grants>, "Policies"> {
    return {
        ServiceIdentities: (inputs.serviceIdentities ?? []).map(({ serviceName, datacenters = [] }) => ({
            ServiceName: serviceName,
            Datacenters: datacenters,
        })),
        NodeIdentities: (inputs.nodeIdentities ?? []).map(({ nodeName, datacenter }) => ({
            NodeName: nodeName,
            Datacenter: datacenter,
        })),
        TemplatedPolicies: (inputs.templatedPolicies ?? []).map(
            ({ templateName, templateVariables, datacenters = [] }) => ({
                TemplateName: templateName,
                Datacenters: datacenters,
                ...(templateVariables?.name ? { TemplateVariables: { Name: templateVariables.name } } : {}),
            }),
        ),
    };
}

export function observedGrants(grants: Grants): Required<GrantInputs> {
    return {
        serviceIdentities: (grants.ServiceIdentities ?? []).map(({ ServiceName, Datacenters }) => ({
            serviceName: ServiceName,
            ...present("datacenters", Datacenters),
        })),
        nodeIdentities: (grants.NodeIdentities ?? []).map(({ NodeName, Datacenter }) => ({
            nodeName: NodeName,
            datacenter: Datacenter,
        })),
        templatedPolicies: (grants.TemplatedPolicies ?? []).map(
            ({ TemplateName, TemplateVariables, Datacenters }) => {
                // The API takes both spellings and answers with the second.
                const name = TemplateVariables?.Name ?? TemplateVariables?.name;
                return {
                    templateName: TemplateName,
                    ...(name ? { templateVariables: { name } } : {}),
                    ...present("datacenters", Datacenters),
                };
            },
        ),
    };
}

function present<Key extends string>(
    key: Key,
    items: string[] | null | undefined,
): { [K in Key]?: string[] } {
    return items && items.length > 0 ? ({ [key]: items } as { [K in Key]?: string[] }) : {};
}

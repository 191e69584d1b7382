import { object, resource, string } from "../lib";

import type { BindingRule } from "./acl";
import type { Place } from "./catalog";
import type { ConsulClient } from "./client";

interface Inputs extends Pick<Place, "namespace" | "partition"> {
    authMethod: string;
    description?: string;
    selector?: string;
    bindType: string;
    bindName: string;
    bindVars?: { name?: string };
}

export const aclBindingRule = resource<ConsulClient, Inputs, Inputs>({
    inputs: {
        authMethod: string({ required: true, replace: true }),
        description: string(),
        selector: string(),
        bindType: string({ required: true, replace: true }),
        bindName: string({ required: true }),
        bindVars: object({ name: string() }),
        namespace: string({ replace: true }),
        partition: string({ replace: true }),
    },

    create: async (context, inputs) => {
        const { acl } = context.client;
        const { ID } = await acl.create(context, "binding-rule", what(inputs), bodyOf(inputs), inputs);
        return { id: ID, outputs: {} };
    },

    read: async (context, id, state) => {
        if (!state) {
            throw new Error("consul:index/aclBindingRule:AclBindingRule cannot be imported");
        }
        const found = await context.client.acl.read(context, "binding-rule", id, state);
        const name = found?.BindVars?.Name ?? found?.BindVars?.name;
        return (
            found && {
                outputs: {},
                inputs: {
                    authMethod: found.AuthMethod,
                    description: found.Description,
                    selector: found.Selector,
                    bindType: found.BindType,
                    bindName: found.BindName,
                    bindVars: name ? { name } : undefined,
                },
            }
        );
    },

    update: async (context, id, _state, news) => {
        const body = { ...bodyOf(news), ID: id };
        await context.client.acl.update(context, "binding-rule", id, what(news), body, news);
        return {};
    },

    delete: async (context, id, state) => context.client.acl.remove(context, "binding-rule", id, state),
});

function what({ authMethod, bindName }: Inputs): string {
    return `ACL binding rule of "${authMethod}" for "${bindName}"`;
}

function bodyOf(inputs: Inputs): Omit<BindingRule, "ID"> {
    return {
        AuthMethod: inputs.authMethod,
        Description: inputs.description ?? "",
        Selector: inputs.selector ?? "",
        BindType: inputs.bindType,
        BindName: inputs.bindName,
        ...(inputs.bindVars?.name ? { BindVars: { Name: inputs.bindVars.name } } : {}),
    };
}

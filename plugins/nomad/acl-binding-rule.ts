import { resource, string, UNKNOWN, type Failure } from "../lib";
import { read, remove, write, type BindingRule } from "./acl";

import type { NomadClient } from "./client";

interface Inputs {
    authMethod: string;
    description?: string;
    selector?: string;
    bindType: string;
    bindName?: string;
}

export const aclBindingRule = resource<NomadClient, Inputs, Inputs>({
    inputs: {
        authMethod: string({ required: true }),
        description: string(),
        selector: string(),
        // Nomad keeps the name of a rule that is to have none: the official plugin tries, and fails.
        bindType: string({
            required: true,
            oneOf: ["role", "policy", "management"],
            replace: (old, now) => old === "management" || now === "management",
        }),
        bindName: string(),
    },

    check: (_context, { bindType, bindName }) => {
        const failures: Failure[] = [];
        const refuse = (reason: string): void => void failures.push({ property: "bindName", reason });
        if (bindType === "management" && bindName) {
            refuse('"bindName" has no meaning with the "bindType" management: leave it out');
        } else if (bindType !== "management" && (bindType as unknown) !== UNKNOWN && !bindName) {
            refuse(`"bindName" must name the ${bindType}`);
        }
        return failures;
    },

    create: async (context, inputs) => {
        const made = await write<BindingRule>(
            context,
            "/v1/acl/binding-rule",
            what(inputs.authMethod),
            bodyOf(inputs),
        );
        return { id: made.ID, outputs: {} };
    },

    read: async (context, id) => {
        const found = await read<BindingRule>(context, path(id));
        return (
            found && {
                outputs: {},
                inputs: {
                    authMethod: found.AuthMethod,
                    description: found.Description,
                    selector: found.Selector,
                    bindType: found.BindType,
                    bindName: found.BindName,
                },
            }
        );
    },

    update: async (context, id, _state, news) => {
        await write(context, path(id), what(news.authMethod), { ...bodyOf(news), ID: id });
        return {};
    },

    delete: async (context, id, state) => remove(context, path(id), what(state.authMethod)),
});

const path = (id: string): string => `/v1/acl/binding-rule/${encodeURIComponent(id)}`;
const what = (authMethod: string): string => `ACL binding rule of "${authMethod}"`;

function bodyOf(inputs: Inputs): Omit<BindingRule, "ID"> {
    return {
        AuthMethod: inputs.authMethod,
        Description: inputs.description ?? "",
        Selector: inputs.selector ?? "",
        BindType: inputs.bindType,
        BindName: inputs.bindName ?? "",
    };
}

import { map, resource, string } from "../lib";

import type { NomadClient } from "./client";

interface Inputs {
    path: string;
    namespace: string;
    items: Record<string, string>;
}

/** nomad/structs/variables.go: URL-safe, and neither `@` nor `.`, which job templates give a meaning. */
const validPath = /^[a-zA-Z0-9\-_~/]{1,128}$/;

export const variable = resource<NomadClient, Inputs, Inputs>({
    inputs: {
        path: string({ required: true, replace: true, validate: refusePath }),
        namespace: string({ default: "default", replace: true }),
        items: map(string(), { required: true, secret: true }),
    },

    create: async (context, inputs) => {
        await context.client.putVariable(inputs.path, inputs.namespace, inputs.items, {
            signal: context.signal,
        });
        return { id: `${inputs.path}@${inputs.namespace}`, outputs: {} };
    },

    read: async (context, id, state) => {
        const { path, namespace } = state ?? fromId(id);
        const items = await context.client.variable(path, namespace, { signal: context.signal });
        return items && { outputs: {}, inputs: { path, namespace, items } };
    },

    update: async (context, _id, _state, news) => {
        await context.client.putVariable(news.path, news.namespace, news.items, { signal: context.signal });
        return {};
    },

    delete: async (context, _id, state) =>
        context.client.deleteVariable(state.path, state.namespace, { signal: context.signal }),
});

/** `<path>@<namespace>`; paths hold no `@`. */
function fromId(id: string): Pick<Inputs, "path" | "namespace"> {
    const [path = "", namespace = "default"] = id.split("@");
    return { path, namespace };
}

function refusePath(path: string): string | undefined {
    if (!validPath.test(path)) {
        return "must be 1 to 128 characters out of letters, digits and -_~/";
    }
    const [first, second, ...rest] = path.split("/");
    if (first !== "nomad" || second === "jobs" || (second === "job-templates" && rest.length === 1)) {
        return undefined;
    }
    return "must be below nomad/jobs or be nomad/job-templates/<name>, because Nomad reserves the rest of nomad/";
}

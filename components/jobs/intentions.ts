import * as consul from "@pulumi/consul";
import type * as pulumi from "@pulumi/pulumi";

/** Whether the mesh lets one service connect to another. */
export type IntentionAction = "allow" | "deny";

export interface IntentionArgs {
    /** The service that is called; `*` is every service. */
    destination: string;
    /** The service that calls; `*` is every service. */
    source: string;
    action: IntentionAction;
}

/** One rule of the service mesh, as Consul stores it. It takes effect on connections that are opened afterwards. */
export function intention(
    name: string,
    args: IntentionArgs,
    opts: pulumi.CustomResourceOptions,
): consul.ConfigEntry {
    return new consul.ConfigEntry(
        name,
        {
            kind: "service-intentions",
            name: args.destination,
            configJson: JSON.stringify({
                Sources: [
                    {
                        Name: args.source,
                        Action: args.action,
                        // Consul adds these two by itself; left out, every preview would show a difference.
                        Precedence: precedence(args),
                        Type: "consul",
                    },
                ],
            }),
        },
        opts,
    );
}

/** The more exact rule wins: https://developer.hashicorp.com/consul/docs/connect/intentions#precedence-and-match-order */
function precedence({ destination, source }: IntentionArgs): number {
    if (destination !== "*") {
        return source !== "*" ? 9 : 8;
    }
    return source !== "*" ? 6 : 5;
}

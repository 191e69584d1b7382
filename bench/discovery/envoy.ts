import { imageReference } from "../../toolchain/images";
import { withFiles } from "../proxies/job";
import { ports, service, type Consul } from "./consul";
import type { Form } from "./form";

const port = 8083;
const gateway = "edge";

/**
 * Envoy as Consul's own API gateway: Consul names it the instances over xDS. Consul's mesh is TLS to the instances, so
 * these show the service's certificate themselves.
 */
export const envoy: Form = {
    name: "Envoy, Consul's xDS",
    instances: "native",
    containers: ["envoy"],
    start: async (stage, consul) => {
        const bootstrap = await makeGateway(consul);
        const { url } = await stage.run(
            {
                name: "envoy",
                image: imageReference("bench-peers"),
                entrypoint: "/bin/sh",
                ...withFiles(
                    { "/tmp/envoy.json": bootstrap },
                    "envoy --config-path /tmp/envoy.json --concurrency 1 --log-level error --disable-hot-restart",
                ),
            },
            { port },
        );
        return url;
    },
};

/** Tells Consul of the gateway, and returns Envoy's bootstrap configuration as Consul's own command writes it. */
async function makeGateway(consul: Consul): Promise<string> {
    for (const entry of gatewayEntries()) {
        await consul.configure(entry);
    }
    return consul.command(
        ...["connect", "envoy", "-gateway=api", "-register", `-service=${gateway}`, "-bootstrap"],
        ...[`-bind-address=all=0.0.0.0:${port}`, `-grpc-addr=${consul.address}:${ports.grpc}`],
    );
}

/** What Consul has to know for a gateway that sends every request to the service. Pure. */
export function gatewayEntries(): object[] {
    const parent = { Kind: "api-gateway", Name: gateway, SectionName: "web" };
    return [
        { Kind: "service-defaults", Name: service, Protocol: "http" },
        { Kind: "api-gateway", Name: gateway, Listeners: [{ Name: "web", Port: port, Protocol: "http" }] },
        {
            Kind: "http-route",
            Name: gateway,
            Parents: [parent],
            Rules: [
                {
                    Matches: [{ Path: { Match: "prefix", Value: "/" } }],
                    Services: [{ Name: service }],
                },
            ],
        },
    ];
}

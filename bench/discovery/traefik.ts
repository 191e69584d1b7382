import { imageReference } from "../../toolchain/images";
import { ports } from "./consul";
import type { Form } from "./form";

const port = 8082;

/** Traefik, told of changes instead of asking every 15 s, and without its pause of 2 s between two of them. */
export const traefik: Form = {
    name: "Traefik, Consul catalogue",
    instances: "plain",
    containers: ["traefik"],
    start: async (stage, consul) => {
        const { url } = await stage.run(
            {
                name: "traefik",
                image: imageReference("bench-peers"),
                entrypoint: "/usr/local/bin/traefik",
                command: traefikOptions(`${consul.address}:${ports.http}`),
            },
            { port },
        );
        return url;
    },
};

/** Pure. */
export function traefikOptions(consul: string): string[] {
    return [
        `--entrypoints.web.address=:${port}`,
        `--providers.consulcatalog.endpoint.address=${consul}`,
        "--providers.consulcatalog.watch=true",
        "--providers.providersthrottleduration=0s",
        "--providers.consulcatalog.exposedbydefault=false",
        "--providers.consulcatalog.defaultrule=PathPrefix(`/`)",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--log.level=ERROR",
    ];
}

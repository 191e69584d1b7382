import { string, type ProviderDefinition } from "../lib";
import { Engine } from "./client";
import { container } from "./container";
import { image } from "./image";
import { network } from "./network";
import { volume } from "./volume";

/** Stands in for the official Docker provider. */
export const dockerProvider: ProviderDefinition<Engine> = {
    name: "docker",
    version: "5.2.0",
    config: {
        host: string(),
        caMaterial: string({ secret: true }),
        certMaterial: string({ secret: true }),
        keyMaterial: string({ secret: true }),
    },
    configure: ({ host, caMaterial, certMaterial, keyMaterial }) =>
        new Engine(
            (host as string | undefined) ?? process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock",
            Object.fromEntries(
                Object.entries({ ca: caMaterial, cert: certMaterial, key: keyMaterial }).filter(
                    ([, v]) => v !== undefined,
                ),
            ),
        ),
    resources: {
        "docker:index/container:Container": container,
        "docker:index/image:Image": image,
        "docker:index/network:Network": network,
        "docker:index/volume:Volume": volume,
    },
};

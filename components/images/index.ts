import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

import type { Registry } from "../machines/machine";
import { bases, ownPlatform } from "./applications";
import { prepareContext } from "./bundle";

/** The applications that Nomad's jobs run. */
const jobApplications = ["hello", "counter-api", "counter-dashboard", "haproxy", "envoy"] as const;
type JobApplication = (typeof jobApplications)[number];

/** An image that applications are built on. */
export type Base = (typeof bases)[JobApplication] | "pause";

export interface ApplicationImagesArgs {
    /** Where the images are pushed, and under which name machines pull them. */
    registry: Registry;
    /**
     * The base images' references as the building Docker engine knows them, e.g. `gatehouse/node:0123abcd`
     * (`imageReference` in toolchain/images.js): those of the applications, and `pause` where Nomad needs it.
     */
    bases: Partial<Record<Base, string>>;
    /** What must be done before the base images exist. */
    basesReady: pulumi.Resource[];
    /** Which images to build. Default: all of them. */
    applications?: readonly JobApplication[];
    /** The machines' architecture as Docker names it. Default: that of the machine that runs Pulumi. */
    architecture?: "amd64" | "arm64";
}

/** The images that the jobs run, built from this checkout and pushed to the lab's registry. */
export class ApplicationImages extends pulumi.ComponentResource {
    /**
     * By application: `<registry>/<application>@sha256:…` as machines pull it. A change of the source gives another
     * digest, and so a new deployment. Unknown in a preview that would build the image.
     */
    readonly references: Readonly<Record<string, pulumi.Output<string>>>;
    /** Fulfilled when every image, the pause image too if there is one, can be pulled. */
    readonly ready: pulumi.Resource[];

    constructor(name: string, args: ApplicationImagesArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:images:ApplicationImages", name, {}, opts);

        const platform = ownPlatform(args.architecture);
        // Images with the same base are pushed one after the other: its layers, the most of them, are compressed and sent
        // with the first, and the registry mounts them for the others.
        const latest = new Map<string, docker.Image>();
        const build = (image: string, context: string, parent: string, tag: string): docker.Image => {
            const before = latest.get(parent);
            const built = new docker.Image(
                `${name}-${image}`,
                {
                    imageName: pulumi.interpolate`${args.registry.pushAddress}/${image}:${tag}`,
                    build: {
                        context,
                        dockerfile: `${context}/Dockerfile`,
                        platform,
                        args: { PARENT: parent },
                    },
                },
                {
                    parent: this,
                    dependsOn: [args.registry.ready, ...args.basesReady, ...(before ? [before] : [])],
                },
            );
            latest.set(parent, built);
            return built;
        };

        const images = new Map(
            (args.applications ?? jobApplications).map((application) => [
                application,
                build(
                    application,
                    prepareContext(application),
                    baseOf(args.bases, bases[application]),
                    "lab",
                ),
            ]),
        );
        // Nothing of ours is added to it, but machines can only pull from the registry.
        const { pause } = args.bases;
        const idle =
            pause === undefined ? [] : [build("pause", prepareContext("envoy"), pause, tagOf(pause))];

        this.references = Object.fromEntries(
            [...images].map(([application, image]) => [
                application,
                pulumi
                    .all([image.repoDigest, args.registry.pullAddress])
                    .apply(([repoDigest, address]) => `${address}/${application}@${digestOf(repoDigest)}`),
            ]),
        );
        this.ready = [...images.values(), ...idle];
        this.registerOutputs({ references: this.references });
    }

    /** As machines pull the image of this application; throws if it is not among those built. */
    reference(application: JobApplication): pulumi.Output<string> {
        const reference = this.references[application];
        if (reference === undefined) {
            throw new Error(`the image ${application} is not built: add it to the component's applications`);
        }
        return reference;
    }
}

/**
 * The reference of the pause image (Nomad's `infra_image`) for machines that pull from this address. It is known before
 * the image is built, because machines are told at boot; its tag follows the content.
 */
export function pauseImage(pullAddress: string, pauseBase: string): string {
    return `${pullAddress}/pause:${tagOf(pauseBase)}`;
}

function baseOf(given: Partial<Record<Base, string>>, base: Base): string {
    const reference = given[base];
    if (reference === undefined) {
        throw new Error(`the base image ${base} is missing: add it to the component's bases`);
    }
    return reference;
}

function tagOf(reference: string): string {
    const tag = /:([\w.-]+)$/.exec(reference)?.[1];
    if (tag === undefined) {
        throw new Error(`the image reference ${reference} has no tag`);
    }
    return tag;
}

function digestOf(repoDigest: string): string {
    const digest = /@(sha256:[0-9a-f]{64})$/.exec(repoDigest)?.[1];
    if (digest === undefined) {
        throw new Error(`the registry gave no digest for ${repoDigest}; was the image pushed?`);
    }
    return digest;
}

import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

import { imageReference } from "../../toolchain/images";
import { type Application, bases, ownPlatform } from "./applications";
import { prepareContext } from "./bundle";
import { contextDigest } from "./digest";

/** A registry of the user's own. */
export interface PushTarget {
    /** `host` or `host:port`. */
    server: string;
    /** The first part of the images' names. */
    repository: string;
    tag: string;
    username?: string;
    /** Kept secret. */
    password?: string;
}

export interface LocalImagesArgs<Name extends Application> {
    applications: readonly Name[];
    /** What must be done before the base images exist. */
    basesReady: pulumi.Resource[];
    /** Where the images are pushed as well, as `<server>/<repository>/<application>:<tag>`. */
    push?: PushTarget;
}

/** The images of containers that run on the Docker engine that builds them, built from this checkout. */
export class LocalImages<Name extends Application> extends pulumi.ComponentResource {
    private readonly references: Record<Name, pulumi.Output<string>>;

    constructor(name: string, args: LocalImagesArgs<Name>, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:images:LocalImages", name, {}, opts);
        const references = args.applications.map((application) => {
            const image = this.build(name, application, args);
            // By digest where there is one: under one tag a registry's image changes.
            const reference = args.push === undefined ? image.imageName : image.repoDigest;
            // The container that runs it is made after the image.
            return [application, pulumi.all([reference, image.id]).apply(([known]) => known)] as const;
        });
        this.references = Object.fromEntries(references) as Record<Name, pulumi.Output<string>>;
        this.registerOutputs({ references: this.references });
    }

    /** What a container runs; another source has another reference, and so replaces the container. */
    reference(application: Name): pulumi.Output<string> {
        return this.references[application];
    }

    private build(name: string, application: Name, args: LocalImagesArgs<Name>): docker.Image {
        const { push } = args;
        const context = prepareContext(application);
        const parent = imageReference(bases[application]);
        return new docker.Image(
            `${name}-${application}`,
            {
                imageName:
                    push === undefined
                        ? `gatehouse/${application}:${contextDigest(context, parent)}`
                        : `${push.server}/${push.repository}/${application}:${push.tag}`,
                build: {
                    context,
                    dockerfile: `${context}/Dockerfile`,
                    platform: ownPlatform(),
                    args: { PARENT: parent },
                },
                skipPush: push === undefined,
                ...(push?.username === undefined
                    ? {}
                    : {
                          registry: {
                              server: push.server,
                              username: push.username,
                              password: pulumi.secret(push.password ?? ""),
                          },
                      }),
            },
            { parent: this, dependsOn: args.basesReady },
        );
    }
}

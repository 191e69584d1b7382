import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

import { imageReference } from "../toolchain/images";

export interface BaseImagesArgs {
    /** Names from toolchain/images.js, e.g. `machine-nomad`; their parents come with them. */
    names: string[];
}

/**
 * The base images of a lab, on the Docker engine that runs it: third-party software without any source of ours.
 *
 * `make up` has built them before Pulumi starts, in parallel with other set-up, and the command here finds nothing to
 * do. Without `make` it builds them. They stay when the stack is destroyed, as a cache for the next one.
 */
export class BaseImages extends pulumi.ComponentResource {
    private readonly built: command.local.Command;
    private readonly names: Set<string>;

    constructor(name: string, args: BaseImagesArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:index:BaseImages", name, {}, opts);
        this.names = new Set(args.names);
        const build = `node toolchain/cli.js images ${args.names.join(" ")}`;
        this.built = new command.local.Command(
            `${name}-build`,
            {
                create: build,
                // A reference is a hash of everything that decides the image's content.
                triggers: args.names.map(imageReference),
            },
            { parent: this },
        );
        this.registerOutputs();
    }

    /**
     * The image's reference on the engine, `gatehouse/<name>:<hash>`, known once the image exists.
     *
     * @throws when the component was not told to provide it.
     */
    reference(name: string): pulumi.Output<string> {
        if (!this.names.has(name)) {
            throw new Error(`Base image ${name} is not among those provided: ${[...this.names].join(", ")}.`);
        }
        return this.built.id.apply(() => imageReference(name));
    }
}

import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

import { type Choice, choiceArguments, choiceOf } from "../toolchain/choice";
import { imageReference } from "../toolchain/images";

export interface BaseImagesArgs {
    /** Names from toolchain/images.js, e.g. `machine-nomad`; their parents come with them. */
    names: string[];
    /**
     * Versions of tools in them, e.g. `{ consul: "1.20.5" }`. Default: the pinned ones of toolchain/versions.json.
     * Others are the vendor's releases; a change is another image.
     */
    versions?: Choice;
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
    private readonly choice: Choice;

    constructor(name: string, args: BaseImagesArgs, opts?: pulumi.ComponentResourceOptions) {
        super("gatehouse:index:BaseImages", name, {}, opts);
        this.names = new Set(args.names);
        this.choice = choiceOf(args.versions) ?? {};
        const build = ["node toolchain/cli.js images", ...args.names, ...choiceArguments(this.choice)].join(
            " ",
        );
        this.built = new command.local.Command(
            `${name}-build`,
            {
                create: build,
                // A reference is a hash of everything that decides the image's content.
                triggers: args.names.map((each) => imageReference(each, this.choice)),
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
        return this.built.id.apply(() => imageReference(name, this.choice));
    }
}

import { labelOf, type Labelled, tagsOf } from "../../../toolchain/linode/names";

/** How the things of one stack are called. Labels are unique in an account, so they begin with the project's name. */
export class LinodeNames {
    /** For everything that can have tags. */
    readonly tags: string[];

    constructor(
        private readonly project: string,
        private readonly stack: string,
    ) {
        this.tags = tagsOf(project, stack);
    }

    /** `<project>-<stack>-<name>`, made to fit. */
    of(kind: Labelled, name: string): string {
        return labelOf(this.project, this.stack, kind, name);
    }
}

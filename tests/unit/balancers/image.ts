import { join } from "node:path";

import { prepareContext } from "../../../components/images/bundle";
import { imageReference } from "../../../toolchain/images";
import { output, root } from "../../support/command";

const bases = { haproxy: "haproxy-base", templater: "consul-template-base" } as const;

/** An image of the project's that HAProxy or its helpers run in. */
export type Image = keyof typeof bases;

/** What HAProxy needs for ports below 1024, its own user, and its folder; the labs give it no more. */
export const capabilities = ["NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT", "KILL"];

/** The tag of this test run's own image. */
export function tagOf(image: Image): string {
    return `gatehouse-test/${image}:${process.pid}`;
}

/** Builds images as a lab does, once for all tests of a file. */
export async function buildImages(...images: Image[]): Promise<void> {
    for (const image of images) {
        await output("docker", [
            ...["build", "--quiet", "--tag", tagOf(image)],
            ...["--build-arg", `PARENT=${imageReference(bases[image])}`, join(root, prepareContext(image))],
        ]);
    }
}

export async function removeImages(...images: Image[]): Promise<void> {
    // The layers below stay: another file may be about to build on them.
    await output("docker", ["image", "rm", "--force", "--no-prune", ...images.map(tagOf)]);
}

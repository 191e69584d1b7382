import type { Base } from "../components/images";
import { imageReference } from "../toolchain/images";

/** The base images of what Nomad's jobs run, and of the container that holds their network. */
export function jobBases(): Record<Base, string> {
    return {
        node: imageReference("node"),
        pause: imageReference("pause"),
        "haproxy-base": imageReference("haproxy-base"),
        "envoy-base": imageReference("envoy-base"),
    };
}

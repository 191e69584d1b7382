import { imageReference } from "../../toolchain/images";
import type { Role } from "../scene";
import { withFiles, type Backend } from "./job";

/** Web servers that answer at once with their name: one process for all, so that the load's core does little else. */
export function backendsRole(backends: Backend[], core: number): Role {
    return {
        name: "backends",
        image: imageReference("haproxy-base"),
        core,
        entrypoint: "/bin/sh",
        ...withFiles({ "/tmp/backends.cfg": backendsConfig(backends) }, "haproxy -f /tmp/backends.cfg"),
    };
}

/** Pure. */
export function backendsConfig(backends: Backend[]): string {
    return [
        "global",
        "    maxconn 4000",
        "    nbthread 1",
        "defaults",
        "    mode http",
        "    timeout client 120s",
        "    timeout http-keep-alive 120s",
        ...backends.flatMap(({ name, port }) => [
            `frontend ${name}`,
            `    bind 127.0.0.1:${port}`,
            `    http-request return status 200 content-type text/plain string "Hello from Backend: ${name}" hdr X-Instance ${name}`,
        ]),
        "",
    ].join("\n");
}

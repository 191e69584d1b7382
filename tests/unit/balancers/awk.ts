import { join } from "node:path";

import { imageReference } from "../../../toolchain/images";
import { output, root, run, type CommandResult } from "../../support/command";

const guard = join(root, "components/balancers/guard");

/** A program of the guard. */
export const program = (name: string): string => join(guard, name);

/** A section of a configuration, as the template renders it. */
export const section = (name: string, known: number, servers: string[]): string =>
    [
        `#guard service ${name} known ${known} passing ${servers.length}`,
        `backend ${name}`,
        ...servers.map((server) => `    server ${server} 127.0.0.1:80`),
        "#guard end",
        "",
    ].join("\n");

/** An awk, and a folder that it sees under the same path. */
export interface Awk {
    start(folder: string): Promise<void>;
    stop(): Promise<void>;
    run(args: string[]): Promise<CommandResult>;
}

const ownAwk: Awk = {
    start: async () => {},
    stop: async () => {},
    run: (args) => run("awk", args),
};

/** Busybox's, in the image that the guard runs in. */
function imageAwk(): Awk {
    const name = `gatehouse-test-awk-${process.pid}`;
    const user = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
    return {
        start: async (folder) => {
            await output("docker", [
                ...["run", "--detach", "--name", name, "--label", `dev.gatehouse.stack=${name}`],
                ...["--network", "none", "--user", user, "--entrypoint", "/bin/sleep"],
                ...["--volume", `${folder}:${folder}`, "--volume", `${guard}:${guard}:ro`],
                ...[imageReference("haproxy-base"), "3600"],
            ]);
        },
        stop: async () => {
            await run("docker", ["rm", "--force", name]);
        },
        run: (args) => run("docker", ["exec", name, "awk", ...args]),
    };
}

/** Every awk that the guard may meet, and whose it is. */
export const awks: [whose: string, awk: Awk][] = [
    ["this computer's awk", ownAwk],
    ["the image's awk", imageAwk()],
];

import * as net from "node:net";

import * as pulumi from "@pulumi/pulumi";

import { type Config, isOnLinode } from "../config";
import { formatProblems } from "../config-errors";

/**
 * Looks whether the port that images are pushed to is free, where the program itself listens on it while it runs; a preview
 * pushes nothing. To be called before the first resource.
 *
 * @throws pulumi.RunError when somebody else has the port, or nobody may.
 */
export async function requirePushPort(config: Config): Promise<void> {
    if (!isOnLinode(config) || pulumi.runtime.isDryRun()) {
        return;
    }
    const port = config.ports.registry;
    const problem = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
        const probe = net.createServer();
        probe.once("error", resolve);
        probe.listen({ host: "127.0.0.1", port, exclusive: true }, () =>
            probe.close(() => resolve(undefined)),
        );
    });
    if (problem !== undefined) {
        const why =
            problem.code === "EADDRINUSE" ? "another program has" : `cannot be had (${problem.message})`;
        const message = `images are pushed through port ${port} on 127.0.0.1, which ${why}; stop that, or choose another port`;
        throw new pulumi.RunError(formatProblems([{ path: "ports.registry", message }]));
    }
}

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

import type Docker from "dockerode";

import { call, ifFound, type Engine } from "./client";
import { carries, type Label } from "./labels";

/**
 * A run that is killed while it makes a container leaves one that no state knows, and whose name stands in the way.
 * While a container is being made, a file named after its id says so; a later run may remove the container if the
 * process that wrote the file is gone. Nothing is ever removed on the strength of its name alone: two checkouts may
 * use the same names on one engine.
 */
const folder = (): string =>
    join(process.env.PULUMI_HOME ?? join(homedir(), ".pulumi"), "docker-containers-in-the-making");

export async function noteCreation(id: string): Promise<void> {
    await mkdir(folder(), { recursive: true });
    await writeFile(join(folder(), id), `${process.pid}\n`);
}

export async function noteRecorded(id: string): Promise<void> {
    await rm(join(folder(), id), { force: true });
}

/** Removes the container of this name if an interrupted run has left it; says whether it did. */
export async function removeLeftover(
    client: Engine,
    name: string,
    labels: Label[] | undefined,
    signal: AbortSignal,
): Promise<boolean> {
    const docker = await client.api();
    const container = docker.getContainer(name);
    const found = await ifFound(client, `reading the container ${name}`, () =>
        container.inspect({ abortSignal: signal }),
    );
    if (!found) {
        // It went in the meantime: the name is free.
        return true;
    }
    const ours = found.Name === `/${name}` && carries(found.Config.Labels, labels);
    if (!ours || !((await wasAbandoned(found.Id)) || neverStarted(found))) {
        return false;
    }
    await call(client, `removing the container ${name}`, () =>
        docker.getContainer(found.Id).remove({ force: true, v: true, abortSignal: signal }),
    );
    await noteRecorded(found.Id);
    return true;
}

/** Nothing can be lost with a container that has not run, once its maker has had the time to start it. */
function neverStarted({ State, Created }: Docker.ContainerInspectInfo): boolean {
    return State.Status === "created" && Date.now() - Date.parse(Created) > 10_000;
}

async function wasAbandoned(id: string): Promise<boolean> {
    let process_: number;
    try {
        process_ = Number(await readFile(join(folder(), id), "utf8"));
    } catch {
        return false;
    }
    try {
        process.kill(process_, 0);
        return false;
    } catch (error) {
        return (error as NodeJS.ErrnoException).code === "ESRCH";
    }
}

export function nameTaken(name: string): Error {
    return new Error(
        `creating the container: the name ${name} is taken by a container that is not in this stack's state; ` +
            `if nothing needs it, remove it with "docker rm -f ${name}", otherwise choose another name or stack`,
    );
}

import type Docker from "dockerode";

import {
    EngineGone,
    isObject,
    PartialFailure,
    pause,
    resource,
    UNKNOWN,
    type Context,
    type Failure,
    type Values,
} from "../lib";
import { call, ifFound, isStatus, type Engine } from "./client";
import { createOptions, endpointConfig, networkModeOf, updateOptions } from "./container-config";
import { importedInputs, observedChanges, outputsOf } from "./container-observe";
import { containerInputs, containerOutputs } from "./container-schema";
import { assertRunning, inspect, readLog, waitHealthy } from "./container-wait";
import { nameTaken, noteCreation, noteRecorded, removeLeftover } from "./leftovers";
import { ensureImage } from "./pull";
import { uploadArchive } from "./uploads";

import type { ContainerInputs, ContainerOutputs } from "./container-schema";

type ContainerContext = Context<Engine>;

/** Changes that the engine can make to a running container. */
const updatable = ["restart", "maxRetryCount", "memory", "memorySwap", "cpuShares", "cpuSet"] as const;

/** Not replacing by the official schema, yet without effect on a container that exists. */
const withoutEffect = ["tmpfs", "healthcheck", "init", "rm"] as const;

/** How long the engine may take to make a removed container's name free again. */
const removalSeconds = 60;

export const container = resource<Engine, ContainerInputs, ContainerOutputs>({
    inputs: containerInputs,
    outputs: containerOutputs,
    deleteBeforeReplace: true,

    check(_context, inputs) {
        return [...checkUploads(inputs), ...checkVolumes(inputs)];
    },

    plan(_context, inputs, state) {
        const open = Array.isArray(inputs.ports) && inputs.ports.some((port) => port.external === undefined);
        // The engine chooses these numbers, and keeps them as long as the container lives.
        return open ? { ports: state?.ports ?? (UNKNOWN as never) } : {};
    },

    changesWith(changed) {
        return changed.has("mustRun") ? ["networkDatas", "exitCode"] : [];
    },

    async create(context, inputs) {
        await ensureImage(context, inputs.image);
        const made = await make(context, inputs);
        await noteCreation(made.id);
        try {
            await prepare(context, made, inputs);
            const containerLogs = await finish(context, made, inputs);
            return {
                id: made.id,
                outputs: { ...outputsOf(await inspect(context, made), inputs), ...containerLogs },
            };
        } catch (error) {
            // A container that could not start, or that nobody will record: the next run starts afresh.
            if (!(error instanceof PartialFailure) || context.signal.reason instanceof EngineGone) {
                await discard(made);
            }
            throw error;
        } finally {
            await noteRecorded(made.id);
        }
    },

    async read(context, id, state, inputs) {
        const { client, signal } = context;
        const docker = await client.api();
        const found = await ifFound(client, `reading the container ${id}`, () =>
            docker.getContainer(id).inspect({ abortSignal: signal }),
        );
        if (!found || found.State.Dead) {
            return undefined;
        }
        const known = state && inputs ? withDefaults(inputs) : undefined;
        return {
            id: found.Id,
            outputs: outputsOf(found, known),
            inputs: known ? observedChanges(found, known) : { ...importedInputs(found) },
        };
    },

    async update(context, id, state, news, oldInputs) {
        const { client, log } = context;
        const docker = await client.api();
        const target = docker.getContainer(id);
        if (updatable.some((name) => oldInputs[name] !== news[name])) {
            await call(client, `updating the container ${news.name}`, () =>
                target.update({ ...updateOptions(news), abortSignal: context.signal }),
            );
        }
        for (const name of withoutEffect.filter(
            (name) => JSON.stringify(oldInputs[name]) !== JSON.stringify(news[name]),
        )) {
            log.warn(`the new value of ${name} takes effect when the container is replaced`);
        }
        const { State } = await inspect(context, target);
        if (news.start && news.mustRun && !State.Running) {
            await call(
                client,
                `starting the container ${news.name}`,
                () => target.start({ abortSignal: context.signal }),
                [304],
            );
            await assertRunning(context, target);
        }
        if (news.wait && !news.attach && (news.mustRun || State.Running)) {
            await healthyOrKept(context, target, news);
        }
        return { exitCode: state.exitCode, ...outputsOf(await inspect(context, target), news) };
    },

    async delete(context, id, state) {
        const { client } = context;
        const docker = await client.api();
        await noteRecorded(id);
        const target = docker.getContainer(id);
        const grace = state.destroyGraceSeconds ?? 0;
        if (!state.attach && grace > 0) {
            context.log.status(`stopping (at most ${grace} s)`);
            await ifFound(client, `stopping the container ${state.name}`, () =>
                ignoreStatus(304, () => target.stop({ t: grace, abortSignal: context.signal })),
            );
        }
        // Another removal (an automatic one, or by hand) may be under way: 409.
        await ifFound(client, `removing the container ${state.name}`, () =>
            ignoreStatus(409, () =>
                target.remove({ force: true, v: state.removeVolumes, abortSignal: context.signal }),
            ),
        );
        await gone(context, target, state.name);
    },
});

async function make(context: ContainerContext, inputs: ContainerInputs): Promise<Docker.Container> {
    const { client, signal, log } = context;
    const docker = await client.api();
    const what = `creating the container ${inputs.name}`;
    const create = (): Promise<Docker.Container> =>
        docker.createContainer({
            ...createOptions(inputs),
            abortSignal: signal,
        } as Docker.ContainerCreateOptions);
    try {
        return await call(client, what, create);
    } catch (error) {
        if (!isStatus(error, 409) || !/name .* is already in use/.test((error as Error).message)) {
            throw error;
        }
        if (!(await removeLeftover(client, inputs.name, inputs.labels, signal))) {
            throw nameTaken(inputs.name);
        }
        log.info("removed a container of this name that an interrupted run had left behind");
        return await call(client, what, create);
    }
}

/** Networks, files, start, and a look whether it keeps running. */
async function prepare(
    context: ContainerContext,
    made: Docker.Container,
    inputs: ContainerInputs,
): Promise<void> {
    const { client, signal, name } = context;
    const docker = await client.api();
    const joined = networkModeOf(inputs);
    for (const network of inputs.networksAdvanced ?? []) {
        if (network.name !== joined) {
            await call(client, `connecting ${name} to the network ${network.name}`, () =>
                docker
                    .getNetwork(network.name)
                    .connect({ Container: made.id, EndpointConfig: endpointConfig(network) }),
            );
        }
    }
    if (inputs.uploads && inputs.uploads.length > 0) {
        const archive = await uploadArchive(inputs.uploads);
        await call(client, `uploading files to the container ${inputs.name}`, () =>
            made.putArchive(archive, { path: "/", abortSignal: signal }),
        );
    }
    if (inputs.start) {
        await call(client, `starting the container ${inputs.name}`, () =>
            made.start({ abortSignal: signal }),
        );
        if (inputs.mustRun && !inputs.attach) {
            await assertRunning(context, made);
        }
    }
}

/** What a started container is waited for. */
async function finish(
    context: ContainerContext,
    made: Docker.Container,
    inputs: ContainerInputs,
): Promise<{ containerLogs?: string }> {
    if (inputs.attach && inputs.start) {
        context.log.status("waiting for its end");
        await call(context.client, "waiting for the container's end", () =>
            made.wait({ abortSignal: context.signal }),
        );
        return inputs.logs ? { containerLogs: await readLog(made) } : {};
    }
    if (inputs.wait && inputs.start) {
        await healthyOrKept(context, made, inputs);
    }
    return {};
}

/** A container that is not healthy stays, for a look at it; the state has it, and the next run waits again. */
async function healthyOrKept(
    context: ContainerContext,
    target: Docker.Container,
    inputs: ContainerInputs,
): Promise<void> {
    try {
        await waitHealthy(context, target, inputs.waitTimeout);
    } catch (error) {
        const found = await target.inspect().catch(() => undefined);
        const outputs = found ? outputsOf(found, inputs) : {};
        throw new PartialFailure(target.id, outputs as Values, [(error as Error).message]);
    }
}

async function discard(made: Docker.Container): Promise<void> {
    await made.remove({ force: true, v: true }).catch((error: unknown) => {
        if (!isStatus(error, 404)) {
            throw error;
        }
    });
}

async function gone(context: ContainerContext, target: Docker.Container, name: string): Promise<void> {
    const deadline = Date.now() + removalSeconds * 1000;
    while (await ifFound(context.client, `reading the container ${name}`, () => target.inspect())) {
        if (Date.now() > deadline) {
            throw new Error(
                `the container ${name} is still there ${removalSeconds} s after its removal; see "docker inspect ${name}"`,
            );
        }
        await pause(100, context.signal);
    }
}

async function ignoreStatus(status: number, run: () => Promise<unknown>): Promise<void> {
    try {
        await run();
    } catch (error) {
        if (!isStatus(error, status)) {
            throw error;
        }
    }
}

/** State from before a default existed, or from an import, does not spell them out. */
function withDefaults(inputs: ContainerInputs): ContainerInputs {
    const defaults = Object.entries(containerInputs).filter(([, property]) => property.default !== undefined);
    return { ...Object.fromEntries(defaults.map(([name, property]) => [name, property.default])), ...inputs };
}

function checkUploads(inputs: ContainerInputs): Failure[] {
    if (!Array.isArray(inputs.uploads)) {
        return [];
    }
    return inputs.uploads.flatMap((upload, index): Failure[] => {
        const given = isObject(upload)
            ? (["content", "contentBase64", "source"] as const).filter((name) => upload[name] !== undefined)
            : ["content"];
        const property = `uploads[${index}]`;
        return given.length === 1
            ? []
            : [
                  {
                      property,
                      reason: `${property} needs exactly one of content, contentBase64 and source, not ${given.length}`,
                  },
              ];
    });
}

function checkVolumes(inputs: ContainerInputs): Failure[] {
    if (!Array.isArray(inputs.volumes)) {
        return [];
    }
    return inputs.volumes.flatMap((volume, index): Failure[] => {
        const property = `volumes[${index}]`;
        if (!isObject(volume) || volume.fromContainer !== undefined || volume.containerPath !== undefined) {
            return [];
        }
        return [{ property, reason: `${property} needs containerPath (or fromContainer)` }];
    });
}

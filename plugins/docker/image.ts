import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";

import type Docker from "dockerode";

import {
    boolean,
    hasUnknown,
    list,
    map,
    object,
    orAborted,
    resource,
    string,
    UNKNOWN,
    type Context,
    type Failure,
} from "../lib";
import { contextDigest, packContext, readContext } from "./build-context";
import { call, explain, type Engine } from "./client";
import { lastLines, progressOf } from "./progress";
import { authFor, parseReference } from "./registry";

interface Build {
    context: string;
    dockerfile?: string;
    args?: Record<string, string>;
    target?: string;
    platform?: string;
    network?: string;
    addHosts?: string[];
    cacheFrom?: { images: string[] };
    builderVersion?: string;
    contextDigest: string;
}

interface Inputs {
    imageName: string;
    build: Build;
    registry?: { server?: string; username?: string; password?: string };
    skipPush: boolean;
    buildOnPreview: boolean;
}

interface Outputs extends Inputs {
    baseImageName: string;
    context: string;
    dockerfile: string;
    platform: string;
    registryServer: string;
    repoDigest: string;
}

/** How many lines of a failed build's output its error shows. */
const shownLines = 20;

export const image = resource<Engine, Inputs, Outputs>({
    inputs: {
        imageName: string({ required: true }),
        build: object(
            {
                context: string({ default: "." }),
                dockerfile: string(),
                args: map(),
                target: string(),
                platform: string(),
                network: string(),
                addHosts: list(),
                cacheFrom: object({ images: list(string(), { required: true }) }),
                builderVersion: string({
                    oneOf: ["BuilderV1", "BuilderBuildKit"],
                    validate: (version: string) =>
                        version === "BuilderBuildKit"
                            ? "is BuilderBuildKit, but this stand-in builds with the engine's classic builder only; " +
                              "leave it out, or install the official docker 5.2.0 plugin"
                            : undefined,
                }),
                // Not the program's: set from the files below, so that changed files are a changed input.
                contextDigest: string(),
            },
            { default: { context: "." } },
        ),
        registry: object({ server: string(), username: string(), password: string({ secret: true }) }),
        skipPush: boolean({ default: false }),
        buildOnPreview: boolean({ default: false }),
    },
    outputs: {
        baseImageName: string(),
        context: string(),
        dockerfile: string(),
        platform: string(),
        registryServer: string(),
        repoDigest: string(),
    },
    changesWith: () => ["repoDigest"],

    async check(_context, inputs) {
        return [...(await checkBuild(inputs.build)), ...checkName(inputs)];
    },

    diff(_context, { changes }) {
        // Credentials change often, and an image does not depend on them.
        return changes.filter(({ path }) => !/^registry\.(username|password)$/.test(path));
    },

    async plan(context, inputs) {
        const known = { ...planned(inputs) };
        if (inputs.buildOnPreview === true && !hasUnknown(inputs)) {
            const id = await build(context, inputs);
            return inputs.skipPush ? { ...known, repoDigest: id } : known;
        }
        return known;
    },

    async create(context, inputs) {
        return { id: inputs.imageName, outputs: await buildAndPush(context, inputs) };
    },

    async update(context, _id, _state, news) {
        return buildAndPush(context, news);
    },
});

async function buildAndPush(context: Context<Engine>, inputs: Inputs): Promise<Partial<Outputs>> {
    const id = await build(context, inputs);
    const repoDigest = inputs.skipPush ? id : await push(context, inputs);
    return { ...planned(inputs), repoDigest };
}

/** Outputs that are known as soon as the inputs are. */
function planned(inputs: Inputs): Partial<Outputs> {
    const { imageName, registry } = inputs;
    const known = typeof inputs.build === "object";
    return {
        imageName,
        baseImageName: imageName,
        registryServer: registry?.server ?? "",
        ...(known && {
            context: inputs.build.context,
            dockerfile: dockerfileOf(inputs.build),
            platform: inputs.build.platform ?? `linux/${architecture()}`,
        }),
    };
}

/** Builds and tags; returns the image's id. */
async function build(context: Context<Engine>, inputs: Inputs): Promise<string> {
    const { client, signal, log } = context;
    const { build } = inputs;
    const docker = await client.api();
    const files = await readContext(build.context, dockerfileOf(build));
    log.status("Building the image");
    const options = {
        t: inputs.imageName,
        dockerfile: files.dockerfileName,
        rm: true,
        forcerm: true,
        ...(build.args && { buildargs: build.args }),
        ...(build.target !== undefined && { target: build.target }),
        ...(build.platform !== undefined && { platform: build.platform }),
        ...(build.network !== undefined && { networkmode: build.network }),
        ...(build.addHosts && { extrahosts: build.addHosts.join(",") }),
        ...(build.cacheFrom && { cachefrom: build.cacheFrom.images as never }),
        abortSignal: signal,
    } satisfies Docker.ImageBuildOptions;
    const lines: string[] = [];
    let id: string | undefined;
    try {
        const stream = await docker.buildImage(await packContext(files), options);
        await orAborted(
            progressOf(
                stream,
                (line) => show(line, lines, log.status),
                (aux) => (id = String(aux.ID)),
            ),
            signal,
        );
    } catch (error) {
        signal.throwIfAborted();
        throw new Error(
            `building ${inputs.imageName} from ${build.context} failed: ${explain(error, client.host)}` +
                lastLines(lines, shownLines),
            { cause: error },
        );
    }
    return (
        id ??
        (
            await call(client, `reading the image ${inputs.imageName}`, () =>
                docker.getImage(inputs.imageName).inspect(),
            )
        ).Id
    );
}

/** Pushes and returns the reference by digest. */
async function push(context: Context<Engine>, inputs: Inputs): Promise<string> {
    const { client, signal, log } = context;
    const reference = parseReference(inputs.imageName);
    if (!reference) {
        throw new Error(unqualified(inputs.imageName));
    }
    const docker = await client.api();
    const { repository, tag, registry } = reference;
    log.status("Pushing Image to the registry");
    const lines: string[] = [];
    let digest: string | undefined;
    try {
        const stream = await docker.getImage(repository).push({
            tag,
            authconfig: (await authFor(registry, inputs.registry)) as Docker.AuthConfig,
            abortSignal: signal,
        } as Docker.ImagePushOptions);
        await orAborted(
            progressOf(
                stream,
                (line) => show(line, lines, log.status),
                (aux) => {
                    digest = typeof aux.Digest === "string" ? aux.Digest : digest;
                },
            ),
            signal,
        );
    } catch (error) {
        signal.throwIfAborted();
        throw new Error(
            `pushing ${inputs.imageName} failed: ${explain(error, client.host)} (does the registry ${registry} answer, ` +
                `and does it accept these credentials?)${lastLines(lines, 5)}`,
            { cause: error },
        );
    }
    if (digest !== undefined) {
        return `${repository}@${digest}`;
    }
    const { RepoDigests } = await call(client, `reading the image ${inputs.imageName}`, () =>
        docker.getImage(inputs.imageName).inspect(),
    );
    const own = RepoDigests?.find((entry) => entry.startsWith(`${repository}@`));
    if (own === undefined) {
        throw new Error(`pushing ${inputs.imageName}: the engine reports no digest`);
    }
    return own;
}

function show(line: string, lines: string[], status: (line: string) => void): void {
    lines.push(line);
    status(line);
}

/** Refuses what cannot be built, and puts the digest of the files into the inputs. */
async function checkBuild(build: Build): Promise<Failure[]> {
    if (!isKnown(build) || !isKnown(build.context) || (build.dockerfile as unknown) === UNKNOWN) {
        return [];
    }
    if (!existsSync(build.context)) {
        return [{ property: "build.context", reason: `build.context: there is no folder ${build.context}` }];
    }
    const dockerfile = dockerfileOf(build);
    if (!existsSync(dockerfile)) {
        const nested = join(build.context, dockerfile);
        const hint =
            !isAbsolute(dockerfile) && existsSync(nested)
                ? `; try ${nested}: it is relative to the program, not to the context`
                : "";
        return [
            {
                property: "build.dockerfile",
                reason: `build.dockerfile: there is no file ${dockerfile}${hint}`,
            },
        ];
    }
    build.contextDigest = await contextDigest(await readContext(build.context, dockerfile));
    return [];
}

function checkName({ imageName, skipPush }: Inputs): Failure[] {
    if (!isKnown(imageName) || skipPush === true || parseReference(imageName)) {
        return [];
    }
    return [{ property: "imageName", reason: unqualified(imageName) }];
}

function unqualified(name: string): string {
    return (
        `imageName: "${name}" does not say which registry to push to; write it as registry/repository:tag, ` +
        "e.g. docker.io/user/image:v1, or set skipPush"
    );
}

function isKnown(value: unknown): boolean {
    return value !== undefined && value !== UNKNOWN;
}

function dockerfileOf(build: Build): string {
    return build.dockerfile ?? join(build.context, "Dockerfile");
}

function architecture(): string {
    return process.arch === "x64" ? "amd64" : process.arch;
}

import { createHash } from "node:crypto";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { basename, join, relative, resolve, sep } from "node:path";

/** One entry of a build context, with a path relative to it in the notation of the engine. */
interface Entry {
    path: string;
    file: string;
    mode: number;
    kind: "file" | "symlink";
}

export interface BuildContext {
    /** The files that the build may see, without those that .dockerignore names, sorted. */
    entries: Entry[];
    /** The Dockerfile on this machine. */
    dockerfile: string;
    /** Its name for the engine: a path in the context, or a made-up one when it lies outside. */
    dockerfileName: string;
}

export async function readContext(folder: string, dockerfile: string): Promise<BuildContext> {
    const root = resolve(folder);
    const inside = relative(root, resolve(dockerfile)).split(sep).join("/");
    const outside = inside === ".." || inside.startsWith("../");
    const ignored = await ignoreFilter(root, dockerfile, outside ? undefined : inside);
    const entries: Entry[] = [];
    await walk(root, "", ignored, entries);
    entries.sort((a, b) => (a.path < b.path ? -1 : 1));
    return {
        entries,
        dockerfile: resolve(dockerfile),
        dockerfileName: outside ? `.dockerfile.${sha256(inside).slice(0, 20)}` : inside,
    };
}

/** Changes with the name, mode and content of every file of the context and with the Dockerfile. */
export async function contextDigest(context: BuildContext): Promise<string> {
    const hash = createHash("sha256");
    hash.update(sha256(await readFile(context.dockerfile)));
    for (const entry of context.entries) {
        const content = entry.kind === "symlink" ? await readlink(entry.file) : await readFile(entry.file);
        hash.update(`${entry.path}\0${entry.kind}\0${entry.mode.toString(8)}\0${sha256(content)}\0`);
    }
    return hash.digest("hex");
}

/** The context as the engine takes it. Owners and times do not travel, so that they cannot change the image. */
export async function packContext(context: BuildContext): Promise<NodeJS.ReadableStream> {
    const { pack } = await import("tar-stream");
    const archive = pack();
    const fill = async (): Promise<void> => {
        const mtime = new Date(0);
        for (const { path, file, mode, kind } of context.entries) {
            if (kind === "symlink") {
                archive.entry({ name: path, type: "symlink", linkname: await readlink(file), mode, mtime });
            } else {
                archive.entry({ name: path, mode, mtime }, await readFile(file));
            }
        }
        if (!context.entries.some((entry) => entry.path === context.dockerfileName)) {
            archive.entry(
                { name: context.dockerfileName, mode: 0o644, mtime },
                await readFile(context.dockerfile),
            );
        }
        archive.finalize();
    };
    fill().catch((error: Error) => archive.destroy(error));
    return archive as unknown as NodeJS.ReadableStream;
}

async function walk(
    root: string,
    folder: string,
    ignored: (path: string) => "file" | "folder" | undefined,
    entries: Entry[],
): Promise<void> {
    for (const name of await readdir(join(root, folder))) {
        const path = folder === "" ? name : `${folder}/${name}`;
        const file = join(root, path);
        const status = await lstat(file);
        const verdict = ignored(path);
        if (status.isDirectory()) {
            if (verdict !== "folder") {
                await walk(root, path, ignored, entries);
            }
        } else if (verdict === undefined && (status.isFile() || status.isSymbolicLink())) {
            const kind = status.isSymbolicLink() ? "symlink" : "file";
            entries.push({ path, file, mode: status.mode & 0o7777, kind });
        }
    }
}

/** What .dockerignore says of a path: ignored as a file, or with everything below it. */
async function ignoreFilter(
    root: string,
    dockerfile: string,
    dockerfileInside: string | undefined,
): Promise<(path: string) => "file" | "folder" | undefined> {
    const own = `${basename(dockerfile)}.dockerignore`;
    const rules =
        (basename(dockerfile) === "Dockerfile" ? undefined : await readIfThere(join(root, own))) ??
        (await readIfThere(join(root, ".dockerignore")));
    if (rules === undefined) {
        return () => undefined;
    }
    const { default: dockerignore } = await import("@balena/dockerignore");
    const filter = dockerignore().add(rules);
    // A later "!" may bring back something below an ignored folder.
    const exceptions = rules.split("\n").some((line) => line.trim().startsWith("!"));
    return (path) => {
        // The builder needs these even where they are ignored.
        if (path === dockerfileInside || path === ".dockerignore" || !filter.ignores(path)) {
            return undefined;
        }
        const holdsDockerfile = dockerfileInside?.startsWith(`${path}/`) ?? false;
        return exceptions || holdsDockerfile ? "file" : "folder";
    };
}

async function readIfThere(file: string): Promise<string | undefined> {
    try {
        return await readFile(file, "utf8");
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") {
            return undefined;
        }
        throw error;
    }
}

function sha256(content: string | Buffer): string {
    return createHash("sha256").update(content).digest("hex");
}

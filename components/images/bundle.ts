import { buildSync } from "esbuild";
import * as fs from "node:fs";
import { dirname, join, relative } from "node:path";

/** The checkout. */
const root = join(__dirname, "../..");
/** Paths in the program's state are relative, so that two checkouts of a stack agree. */
const fromRoot = (path: string): string => relative(root, path);

/** Debian 12's Node, which images/node holds. */
const target = "node18";

/**
 * The folder that an application image is built from, relative to the checkout. It is `images/<app>/` itself unless
 * something has to be added: then it is `.gatehouse/build/<app>/`.
 *
 * - A TypeScript application (`main.ts`) is bundled into `main.js`; its Dockerfile and its `public/` come along.
 * - `context.json` names what lies elsewhere in the checkout, as `{ "<name in the context>": "<file or folder>" }`, so
 *   that images share it: the rest of the folder comes along.
 *
 * The same source gives the same bytes on every machine, and untouched files stay untouched, so an image that was
 * built before is found in Docker's cache and keeps its digest.
 *
 * @throws when `context.json` names something that does not exist, or that lies outside the checkout.
 */
export function prepareContext(
    app: string,
    build = join(root, ".gatehouse/build"),
    images = join(root, "images"),
): string {
    const source = join(images, app);
    const isProgram = fs.existsSync(join(source, "main.ts"));
    const shared = sharedFiles(join(source, "context.json"));
    if (!isProgram && shared.size === 0) {
        return fromRoot(source);
    }
    const own = isProgram
        ? ["Dockerfile", ...listFiles(join(source, "public")).map(inPublic)]
        : listFiles(source);
    const files = new Map(
        own.filter((file) => file !== "context.json").map((file) => [file, read(join(source, file))]),
    );
    if (isProgram) {
        files.set("main.js", { content: bundle(join(source, "main.ts")), executable: false });
    }
    for (const [file, path] of shared) {
        files.set(file, read(path));
    }
    const context = join(build, app);
    synchronise(context, files);
    return fromRoot(context);
}

const inPublic = (file: string): string => join("public", file);

/** What a Docker image keeps of a file. */
interface ContextFile {
    content: Buffer;
    executable: boolean;
}

function read(path: string): ContextFile {
    return { content: fs.readFileSync(path), executable: isExecutable(path) };
}

function isExecutable(path: string): boolean {
    return (fs.statSync(path).mode & 0o100) !== 0;
}

/** The files that a `context.json` names, by their names in the context; none if it does not exist. */
function sharedFiles(list: string): Map<string, string> {
    const files = new Map<string, string>();
    if (!fs.existsSync(list)) {
        return files;
    }
    const entries = Object.entries(JSON.parse(fs.readFileSync(list, "utf8")) as Record<string, string>);
    for (const [name, target] of entries) {
        const path = join(root, target);
        if (fromRoot(path).startsWith("..") || !fs.existsSync(path)) {
            throw new Error(`${fromRoot(list)}: "${target}" is no file or folder of this checkout`);
        }
        if (fs.statSync(path).isDirectory()) {
            listFiles(path).forEach((file) => files.set(join(name, file), join(path, file)));
        } else {
            files.set(name, path);
        }
    }
    return files;
}

function bundle(entry: string): Buffer {
    const result = buildSync({
        absWorkingDir: root,
        entryPoints: [entry],
        bundle: true,
        platform: "node",
        target,
        charset: "utf8",
        legalComments: "none",
        logLevel: "silent",
        write: false,
    });
    return Buffer.from(result.outputFiles[0]!.contents);
}

/** Makes a folder hold exactly these files. A reader never sees half a file, even when two programs run at once. */
function synchronise(folder: string, files: Map<string, ContextFile>): void {
    for (const file of listFiles(folder)) {
        if (!files.has(file)) {
            fs.rmSync(join(folder, file), { force: true });
        }
    }
    for (const [file, { content, executable }] of files) {
        const path = join(folder, file);
        if (
            fs.existsSync(path) &&
            isExecutable(path) === executable &&
            fs.readFileSync(path).equals(content)
        ) {
            continue;
        }
        fs.mkdirSync(dirname(path), { recursive: true });
        // Beside the folder: what lies in it becomes part of the build.
        const staging = join(dirname(folder), `.${process.pid}.staging`);
        fs.writeFileSync(staging, content);
        // Whatever the umask is: image layers carry modes. They carry times, too; a fixed one keeps them the same.
        fs.chmodSync(staging, executable ? 0o755 : 0o644);
        fs.utimesSync(staging, 0, 0);
        fs.renameSync(staging, path);
    }
}

/** Paths of all files below a folder, relative to it; none if it does not exist. */
function listFiles(folder: string): string[] {
    if (!fs.existsSync(folder)) {
        return [];
    }
    return fs
        .readdirSync(folder, { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
        .sort();
}

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
 * The folder that an application image is built from, relative to the checkout. A TypeScript application (`images/<app>/main.ts`) is bundled into
 * `.gatehouse/build/<app>/` with its Dockerfile and its `public/` folder; any other is built where it lies.
 *
 * The same source gives the same bytes on every machine, and untouched files stay untouched, so an image that was
 * built before is found in Docker's cache and keeps its digest.
 */
export function prepareContext(app: string, build = join(root, ".gatehouse/build")): string {
    const source = join(root, "images", app);
    if (!fs.existsSync(join(source, "main.ts"))) {
        return fromRoot(source);
    }
    const files = new Map<string, Buffer>([
        ["Dockerfile", fs.readFileSync(join(source, "Dockerfile"))],
        ["main.js", bundle(join(source, "main.ts"))],
    ]);
    for (const file of listFiles(join(source, "public"))) {
        files.set(join("public", file), fs.readFileSync(join(source, "public", file)));
    }
    const context = join(build, app);
    synchronise(context, files);
    return fromRoot(context);
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
function synchronise(folder: string, files: Map<string, Buffer>): void {
    for (const file of listFiles(folder)) {
        if (!files.has(file)) {
            fs.rmSync(join(folder, file), { force: true });
        }
    }
    for (const [file, content] of files) {
        const path = join(folder, file);
        if (fs.existsSync(path) && fs.readFileSync(path).equals(content)) {
            continue;
        }
        fs.mkdirSync(dirname(path), { recursive: true });
        // Beside the folder: what lies in it becomes part of the build.
        const staging = join(dirname(folder), `.${process.pid}.staging`);
        fs.writeFileSync(staging, content, { mode: 0o644 });
        // Image layers carry times; a fixed one keeps them the same.
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

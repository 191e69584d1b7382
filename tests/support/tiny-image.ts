import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const name = "gatehouse-test/tiny:2";

/**
 * An image with a shell and a few tools, without any download: this machine's own binaries and the libraries that they
 * need. Linux only, as the tests that use it. Returns its reference; it stays for the next run, like other cached images.
 */
export function tinyImage(): string {
    if (run("docker", ["images", "-q", name]) !== "") {
        return name;
    }
    const folder = mkdtempSync(join(tmpdir(), "tiny-image-"));
    try {
        const programs = ["sh", "sleep", "cat", "test", "echo", "env", "ls", "stat"].map((tool) =>
            locate(tool),
        );
        const libraries = programs.flatMap((program) =>
            [...run("ldd", [program]).matchAll(/(\/\S+)/g)].map((match) => match[1]!),
        );
        const archive = join(folder, "tiny.tar");
        // Links followed, so that the paths that programs and loaders name are plain files.
        const files = [...new Set([...programs, ...libraries])].filter((file) => existsSync(file));
        run("tar", ["-chf", archive, "-C", "/", ...files.map((file) => file.slice(1))]);
        run("docker", ["import", "--change", "ENV PATH=/bin:/usr/bin", archive, name]);
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
    return name;
}

/** Whether a Docker engine answers; tests of the real one are skipped where none does. */
export function dockerAnswers(): boolean {
    try {
        run("docker", ["version", "--format", "{{.Server.Version}}"]);
        return process.platform === "linux";
    } catch {
        return false;
    }
}

function locate(tool: string): string {
    // In /bin first, where scripts and the engine expect the shell, also where that is a link.
    const file = ["/bin", "/usr/bin"]
        .map((folder) => join(folder, tool))
        .find((candidate) => existsSync(candidate));
    if (file === undefined) {
        throw new Error(`this machine has no ${tool} in /bin or /usr/bin`);
    }
    return file;
}

function run(program: string, args: string[]): string {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

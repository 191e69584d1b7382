import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { UserError } from "../toolchain/errors";
import type { PrivateFolder } from "./private-folder";
import type { System } from "./system";

export interface Opened {
    /** The snapshot in plain text, in the private folder. */
    path: string;
    /** The index of its last entry. */
    index: number;
}

/**
 * Decrypts a snapshot into the private folder and has its own program look whether it is whole.
 *
 * @param system what it is of
 * @param file the encrypted snapshot
 * @param keyFile the private key, PEM, in the private folder
 * @throws UserError that says whether the file, the key or a program is wrong
 */
export function open(system: System, file: string, keyFile: string, folder: PrivateFolder): Opened {
    requireOpenssl();
    const path = join(folder.path, `${system.name}.snap`);
    const args = ["cms", "-decrypt", "-inform", "DER", "-inkey", keyFile, "-in", file, "-out", path];
    const { code, stderr } = run("openssl", args);
    if (code !== 0) {
        throw /reading|asn1/i.test(stderr)
            ? new UserError(
                  `${file} is no encrypted snapshot, or is cut short`,
                  "remove it, so that an older one is used, or take another: make snapshot",
              )
            : new UserError(
                  `${file} was encrypted for another key than this stack's, or was changed afterwards`,
                  "use the state of the stack that it was taken of; remove the file if that is gone",
              );
    }
    return { path, index: inspect(system, path, file) };
}

function inspect({ name, flaw, inspect, index }: System, path: string, file: string): number {
    const why = flaw?.(path);
    const [program = "", ...args] = inspect;
    const { code, stdout, stderr } =
        why === undefined ? run(program, [...args, path]) : { code: 1, stdout: "", stderr: why };
    const found = code === 0 ? valueAt(JSON.parse(stdout), index) : undefined;
    if (typeof found !== "number") {
        throw new UserError(
            `${file} is no snapshot that ${name} takes: ${(stderr || stdout).trim().slice(-300)}`,
            "use an older one (FROM=…), or take another: make snapshot",
        );
    }
    return found;
}

function valueAt(value: unknown, way: readonly string[]): unknown {
    return way.reduce((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value);
}

/** LibreSSL knows no authenticated envelopes. */
function requireOpenssl(): void {
    const { stdout } = run("openssl", ["version"]);
    if (!/^OpenSSL ([3-9]|\d\d)/.test(stdout)) {
        throw new UserError(
            `snapshots are decrypted by OpenSSL 3; here openssl is ${stdout.trim() || "not installed"}`,
            "install it (Debian: openssl; macOS: brew install openssl@3) and put it first on PATH",
        );
    }
}

function run(command: string, args: string[]): { code: number; stdout: string; stderr: string } {
    const result = spawnSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    if (result.error) {
        return { code: 127, stdout: "", stderr: result.error.message };
    }
    return { code: result.status ?? 1, stdout: result.stdout, stderr: result.stderr };
}

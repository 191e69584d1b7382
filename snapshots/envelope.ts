import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { UserError } from "../toolchain/errors";
import type { PrivateFolder } from "./private-folder";

export interface Opened {
    /** The snapshot in plain text, in the private folder. */
    path: string;
    /** Raft's index of its last entry. */
    index: number;
}

const inspectors: Record<string, string[]> = {
    consul: ["consul", "snapshot", "inspect", "-format=json"],
    nomad: ["nomad", "operator", "snapshot", "inspect", "-json"],
};

/**
 * Decrypts a snapshot into the private folder and has its own program look whether it is whole.
 *
 * @param source `consul` or `nomad`
 * @param file the encrypted snapshot
 * @param keyFile the private key, PEM, in the private folder
 * @throws UserError that says whether the file, the key or a program is wrong
 */
export function open(source: string, file: string, keyFile: string, folder: PrivateFolder): Opened {
    requireOpenssl();
    const path = join(folder.path, `${source}.snap`);
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
    return { path, index: inspect(source, path, file) };
}

function inspect(source: string, path: string, file: string): number {
    const [program, ...args] = inspectors[source]!;
    const { code, stdout, stderr } = run(program!, [...args, path]);
    const index: unknown = code === 0 ? (JSON.parse(stdout) as Inspection).Meta?.Index : undefined;
    if (typeof index !== "number") {
        throw new UserError(
            `${file} is no snapshot that ${source} takes: ${(stderr || stdout).trim().slice(-300)}`,
            "use an older one (FROM=…), or take another: make snapshot",
        );
    }
    return index;
}

interface Inspection {
    Meta?: { Index?: number };
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

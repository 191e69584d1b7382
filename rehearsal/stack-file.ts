import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { parseDocument } from "yaml";

import { UserError } from "../toolchain/errors";
import { root } from "../toolchain/paths";

/**
 * A stack's file without what belongs to the user's account and state: the settings of the Linode provider, so that
 * neither token nor address of the real API is known, and the key that encrypts secrets. All else stays as it is.
 *
 * @throws when another setting is a secret: it cannot be read without that key.
 */
export function rehearsedStackFile(text: string, absent: string): string {
    const document = parseDocument(text);
    const content = document.toJS() as { config?: Record<string, unknown> } | null;
    for (const key of ["encryptionsalt", "encryptedkey", "secretsprovider"]) {
        document.delete(key);
    }
    for (const [name, value] of Object.entries(content?.config ?? {})) {
        if (name.startsWith("linode:")) {
            document.deleteIn(["config", name]);
        } else if (JSON.stringify(value).includes('"secure":')) {
            throw new UserError(
                `${name} is a secret of the stack file, which a rehearsal cannot read`,
                "rehearse a copy of the stack file without it",
            );
        }
    }
    // The official plugin reads a token from ~/.config/linode unless it is told otherwise.
    document.setIn(["config", "linode:configPath"], absent);
    return document.toString();
}

/**
 * Writes the project's file and the rehearsed stack's into a folder (GATEHOUSE_STACK_FILES).
 *
 * @param settings other ones than the file's, by their path below `gatehouse:`, such as `linode.region`
 */
export function writeStackFiles(folder: string, stack: string, settings: Record<string, unknown> = {}): void {
    mkdirSync(folder, { recursive: true });
    const file = `Pulumi.${stack}.yaml`;
    writeFileSync(join(folder, "Pulumi.yaml"), readFileSync(join(root, "Pulumi.yaml")));
    const text = readFileSync(join(root, file), "utf8");
    const document = parseDocument(rehearsedStackFile(text, join(folder, "no-linode-configuration")));
    for (const [path, value] of Object.entries(settings)) {
        document.setIn(["config", ...`gatehouse:${path}`.split(".")], value);
    }
    writeFileSync(join(folder, file), document.toString());
}

import { stringify } from "yaml";

/** A file that cloud-init writes before anything is installed or started. */
export interface WriteFile {
    /** Absolute path; its folders are made. */
    path: string;
    content: string;
    /** Octal, as a string, e.g. "0755". Default: "0644". */
    permissions?: string;
    /** Adds to what an earlier part of the boot wrote, instead of replacing it. Default: false. */
    append?: boolean;
}

/**
 * The part of cloud-init's `#cloud-config` that Gatehouse uses, under the names of cloud-init's own schema.
 * Documents hold no secret but the machine's SSH host key: user data can be read by everything on a machine.
 */
export interface CloudConfig {
    preserve_hostname?: boolean;
    hostname?: string;
    /** False allows root to log in, with keys only. */
    disable_root?: boolean;
    ssh_pwauth?: boolean;
    ssh_authorized_keys?: string[];
    /** The host key that operators pin; the private part is the one secret a document may hold. */
    ssh_keys?: { ed25519_private: string; ed25519_public: string };
    write_files?: WriteFile[];
    /** Argument lists, never shell lines: nothing needs quoting. Run once, in order, when all else is in place. */
    runcmd?: string[][];
}

/**
 * The smallest of the limits that the clouds set on user data, in bytes: Linode takes 16 KiB of base64, which has four
 * characters for three bytes. Compression is no way out: cloud-init's data source for Linode read nothing but text for years.
 */
export const userDataLimit = (16 * 1024 * 3) / 4;

/**
 * Joins the documents of several roles into one. Lists are joined in order without repetitions, objects key by key.
 *
 * @throws when two parts want different values for one setting, or different contents for one file.
 */
export function mergeCloudConfig<T extends CloudConfig = CloudConfig>(...parts: T[]): T {
    const merged = parts.reduce<Record<string, unknown>>(
        (target, part) => mergeObjects(target, part as Record<string, unknown>, []),
        {},
    ) as T;
    refuseContradictingFiles(merged.write_files ?? []);
    return merged;
}

/**
 * The user data that a machine boots from.
 *
 * @throws when it is larger than {@link userDataLimit}.
 */
export function renderUserData(config: CloudConfig): string {
    const document = `#cloud-config\n${stringify(config, yamlStyle)}`;
    const size = Buffer.byteLength(document);
    if (size > userDataLimit) {
        const largest = (config.write_files ?? [])
            .map((file) => ({ path: file.path, bytes: Buffer.byteLength(file.content) }))
            .sort((a, b) => b.bytes - a.bytes)
            .slice(0, 3)
            .map((file) => `${file.path} (${file.bytes})`);
        throw new Error(
            `The cloud-init user data is ${size} bytes; clouds accept at most ${userDataLimit}. ` +
                `Its largest files: ${largest.join(", ")}. Move some to the image or copy them over SSH.`,
        );
    }
    return document;
}

/** Of every document's lines, most are a file's: what stands before them counts. */
const yamlStyle = { lineWidth: 0, aliasDuplicateObjects: false, indent: 1, indentSeq: false };

function mergeObjects(
    target: Record<string, unknown>,
    source: Record<string, unknown>,
    path: string[],
): Record<string, unknown> {
    const result = { ...target };
    for (const [key, value] of Object.entries(source)) {
        if (value !== undefined) {
            result[key] = key in result ? mergeValues(result[key], value, [...path, key]) : value;
        }
    }
    return result;
}

function mergeValues(a: unknown, b: unknown, path: string[]): unknown {
    if (Array.isArray(a) && Array.isArray(b)) {
        const known = new Set(a.map((item) => JSON.stringify(item)));
        return [...a, ...b.filter((item) => !known.has(JSON.stringify(item)))];
    }
    if (isObject(a) && isObject(b)) {
        return mergeObjects(a, b, path);
    }
    if (a !== b) {
        throw new Error(
            `Two cloud-init documents of one machine disagree on ${path.join(".")}: ` +
                `${JSON.stringify(a)} and ${JSON.stringify(b)}.`,
        );
    }
    return a;
}

function isObject(value: unknown): value is Record<string, unknown> {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refuseContradictingFiles(files: WriteFile[]): void {
    const seen = new Set<string>();
    for (const file of files.filter((candidate) => !candidate.append)) {
        if (seen.has(file.path)) {
            throw new Error(
                `Two cloud-init documents of one machine write different contents to ${file.path}.`,
            );
        }
        seen.add(file.path);
    }
}

import type { CloudConfig } from "./cloud-config";
import { readAsset } from "./files";
import { tools } from "../toolchain/versions.json";

/** Something that a role needs and that is installed at boot where the image lacks it. */
export interface Requirement {
    /** The package, under the name that Debian or HashiCorp gives it. */
    package: string;
    /** A program of the package, by name or path: with it, nothing is installed. */
    program: string;
    /** This very version, from HashiCorp, e.g. "1.21.0". Default: the distribution's package, whatever its version. */
    version?: string;
}

/** A part of a machine's document, with what has to be installed for it. */
export interface Role extends CloudConfig {
    requires?: Requirement[];
}

/** What is made by HashiCorp and pinned in toolchain/versions.json. */
export type PinnedTool = "consul" | "nomad" | "consul-template";

/**
 * HashiCorp's packages for Debian and Ubuntu. The key is the one since September 2026 (HCSEC-2026-33;
 * https://www.hashicorp.com/trust/security): apt believes no other, whatever the repository offers.
 */
export const hashicorp = {
    repository: "https://apt.releases.hashicorp.com",
    fingerprint: "D55C0D1AC78A8D8126CB631CFC9CA96ACA026560",
};

/** A package of the distribution. */
export function fromDebian(name: string, program = name): Requirement {
    return { package: name, program };
}

/**
 * A tool of HashiCorp's in one version, held there.
 *
 * @param version Default: the pinned one
 */
export function fromHashicorp(tool: PinnedTool, version = tools[tool].version): Requirement {
    return { package: tool, program: tool, version };
}

/**
 * What installs the packages, before anything else is run.
 *
 * @throws when two roles want one package in two versions.
 */
export function installation(requirements: readonly Requirement[]): CloudConfig {
    const wanted = new Map<string, string>();
    for (const { package: name, program, version } of requirements) {
        const words = [name, program, ...(version === undefined ? [] : [version])].join(":");
        const other = wanted.get(name);
        if (other !== undefined && other !== words) {
            throw new Error(
                `Two cloud-init documents of one machine require different packages: ${other} and ${words}.`,
            );
        }
        wanted.set(name, words);
    }
    if (wanted.size === 0) {
        return {};
    }
    return {
        write_files: [{ path: installProgram, content: readAsset("install"), permissions: "0755" }],
        runcmd: [[installProgram, hashicorp.repository, hashicorp.fingerprint, ...wanted.values()]],
    };
}

const installProgram = "/usr/local/lib/gatehouse/install";

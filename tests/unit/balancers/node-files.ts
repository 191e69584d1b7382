import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import type { NodeBalancerArgs, OperatorsEndpointArgs } from "../../../components/balancers/node-balancer";
import type { NodeConfiguration } from "../../../components/clusters/node-files";
import { makeCertificates } from "../../support/secure-agents";

export const consulToken = "6ac1c8ab-8e2c-4b0c-9d6d-0d9c5f1a4b77";
export const account = { user: "operator", password: "only-a-test" };

/** Of a node that is called `node-1`. */
export function balancerArgs(change: Partial<NodeBalancerArgs> = {}): NodeBalancerArgs {
    return {
        node: { name: "node-1", address: "10.218.0.21" },
        network: "10.218.0.0/24",
        consulToken,
        stats: account,
        ...change,
    };
}

/** PEM texts. */
export interface Pki {
    ca: string;
    certificate: string;
    key: string;
}

/** A real certificate for localhost and its authority. */
export async function makePki(): Promise<Pki> {
    const { ca, certificate, key, folder } = await makeCertificates();
    rmSync(folder, { recursive: true, force: true });
    return { ca, certificate, key };
}

export function operatorsArgs({ ca, certificate, key }: Pki): OperatorsEndpointArgs {
    return { ...account, certificate: { certPem: certificate, keyPem: key }, nomad: { caPem: ca } };
}

/** A folder that files are put below as they are below a machine's root. */
export class Root {
    readonly folder = mkdtempSync(join(tmpdir(), "gatehouse-node-"));

    write(path: string, content: string, mode = 0o644): void {
        const file = join(this.folder, path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, content, { mode });
    }

    link(path: string, target: string): void {
        const file = join(this.folder, path);
        mkdirSync(dirname(file), { recursive: true });
        symlinkSync(target, file);
    }

    take({ files }: NodeConfiguration): void {
        for (const { path, content, mode } of files) {
            this.write(path, content, Number.parseInt(mode, 8));
        }
    }

    remove(): void {
        rmSync(this.folder, { recursive: true, force: true });
    }
}

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import type { NodeAddress } from "../../../components/clusters/node";
import {
    nodeSnapshots,
    type NodeSnapshotsArgs,
    snapshotCommand,
} from "../../../components/clusters/snapshots";
import { type Found } from "../../../snapshots/store";
import { parseName } from "../../../snapshots/names";
import type { ServerReport } from "../../../snapshots/servers";
import { type CommandResult, output, run } from "../../support/command";

/** Keys for which snapshots are encrypted, in files. */
export async function sealingKey(
    folder: string,
    name: string,
): Promise<{ certificate: string; keyFile: string }> {
    const [keyFile, certificateFile] = [join(folder, `${name}-key.pem`), join(folder, `${name}.pem`)];
    await output("openssl", [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
        ...["-keyout", keyFile, "-out", certificateFile, "-subj", `/CN=${name}`, "-days", "1"],
    ]);
    return { certificate: readFileSync(certificateFile, "utf8"), keyFile };
}

/** The files of a server's snapshots, in a folder of their own, and the program as the timer starts it. */
export class SnapshotServer {
    readonly folder = mkdtempSync(join(tmpdir(), "gatehouse-snapshots-"));

    constructor(
        readonly node: NodeAddress,
        args: Omit<NodeSnapshotsArgs, "node" | "interval" | "patience">,
        /** A machine's texts as they are here: its loopback address, the agents' files. */
        private readonly here: (text: string) => string,
    ) {
        // One more attempt: a busy computer holds elections.
        this.put({ ...args, node, interval: 3600, patience: 1 });
    }

    put(args: NodeSnapshotsArgs): void {
        for (const { path, content, mode } of nodeSnapshots(args).files) {
            const text = path.startsWith("/etc/gatehouse") ? this.local(content) : content;
            writeFileSync(join(this.folder, basename(path)), text, { mode: parseInt(mode, 8) });
        }
        mkdirSync(join(this.folder, "kept"), { recursive: true });
    }

    private local(text: string): string {
        return this.here(text)
            .replaceAll(snapshotCommand.folder, join(this.folder, "kept"))
            .replaceAll("/run/gatehouse-snapshots", join(this.folder, "scratch"))
            .replaceAll("/etc/gatehouse", this.folder);
    }

    take(): Promise<CommandResult> {
        return this.run("take");
    }

    async report(): Promise<ServerReport> {
        return JSON.parse((await this.run("report")).stdout) as ServerReport;
    }

    private run(what: string): Promise<CommandResult> {
        return run(join(this.folder, "snapshot"), [what, join(this.folder, "snapshots.json")], {
            timeout: 60,
        });
    }

    /** Everything that lies in the folder for good, names first. */
    list(): string[] {
        return readdirSync(join(this.folder, "kept")).sort();
    }

    get snapshots(): Found[] {
        return this.list().flatMap((name) => {
            const parsed = parseName(name);
            return parsed ? [{ ...parsed, file: join(this.folder, "kept", name) }] : [];
        });
    }

    /** Whether any plain text is left. */
    get scratch(): string[] {
        return readdirSync(this.folder).filter((name) => name === "scratch");
    }

    forget(): void {
        rmSync(this.folder, { recursive: true, force: true });
    }
}

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import { applicationUnits, type ApplicationUnitsArgs } from "../../../components/applications/units";
import { freePorts } from "../../support/agents";
import { type CommandResult, type RunningCommand, start } from "../../support/command";

/** What answers an application's health check, well or not. */
export class TestApplication {
    status = 200;
    private server: Server | undefined;

    private constructor(readonly port: number) {}

    static async create(): Promise<TestApplication> {
        return new TestApplication((await freePorts(["http"])).http);
    }

    async start(): Promise<void> {
        const server = createServer((_, response) => response.writeHead(this.status).end());
        await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
        this.server = server;
    }

    async stop(): Promise<void> {
        const { server } = this;
        this.server = undefined;
        await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
    }
}

/** The registration of one instance with its settings, as its unit starts it, in a folder of its own. */
export class TestRegistration {
    readonly folder = mkdtempSync(join(tmpdir(), "gatehouse-registration-"));
    private running: RunningCommand | undefined;

    constructor(args: ApplicationUnitsArgs) {
        for (const { path, content, mode } of applicationUnits(args).files) {
            const text = content.replaceAll("/etc/gatehouse/applications", this.folder);
            writeFileSync(join(this.folder, basename(path)), text, { mode: Number.parseInt(mode, 8) });
        }
    }

    start(): void {
        const settings = join(this.folder, "webapp-registration@1.json");
        this.running = start(join(this.folder, "etcd-registration"), [settings], { timeout: 120 });
    }

    /** What it has said; each change once. */
    get lines(): string[] {
        return this.running!.output().trim().split("\n");
    }

    write(name: string, content: string): void {
        writeFileSync(join(this.folder, name), content);
    }

    signal(name: NodeJS.Signals): Promise<CommandResult> {
        this.running!.signal(name);
        return this.running!.done;
    }

    async remove(): Promise<void> {
        if (this.running) {
            await this.signal("SIGKILL");
        }
        rmSync(this.folder, { recursive: true, force: true });
    }
}

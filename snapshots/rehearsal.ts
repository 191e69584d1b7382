import { type ChildProcess, spawn } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { UserError } from "../toolchain/errors";
import { Api, type Credentials } from "./api";
import { freePorts } from "./free-ports";
import { rehearsalNode } from "./inventory";
import type { PrivateFolder } from "./private-folder";

/** Seconds that a throwaway server may take for what it does. */
const patience = 60;

export interface RehearsalArgs {
    datacenter: string;
    /** The cluster's management tokens: they get in before the restore, and after it the snapshot knows them. */
    tokens: { consul: string; nomad: string };
    folder: PrivateFolder;
}

/**
 * A server of Consul or of Nomad on this computer's loopback, that lives as long as the private folder. One is enough
 * for a snapshot of many: Raft keeps the peers that it has, and takes the data.
 */
export class Throwaway {
    private constructor(
        readonly api: Api,
        private readonly snapshotPath: string,
        private readonly ready: () => Promise<void>,
    ) {}

    static async consul({ datacenter, tokens, folder }: RehearsalArgs): Promise<Throwaway> {
        const [http, server, serf] = await freePorts(3);
        const management = { initial_management: tokens.consul, agent: tokens.consul };
        const configuration = {
            datacenter,
            node_name: rehearsalNode,
            server: true,
            bootstrap_expect: 1,
            data_dir: join(folder.path, "consul"),
            bind_addr: "127.0.0.1",
            client_addr: "127.0.0.1",
            ports: { http, server, serf_lan: serf, serf_wan: -1, https: -1, dns: -1, grpc: -1, grpc_tls: -1 },
            acl: { enabled: true, default_policy: "deny", tokens: management },
            connect: { enabled: true },
            performance: { raft_multiplier: 1 },
            disable_update_check: true,
        };
        const credentials: Credentials = { token: ["X-Consul-Token", tokens.consul] };
        const api = new Api("the throwaway Consul", `http://127.0.0.1:${http}`, credentials);
        const ready = async () => {
            await api.get("/v1/acl/token/self");
            if (!(await api.get<string>("/v1/status/leader"))) {
                throw new Error("it has no leader");
            }
        };
        const file = folder.write("consul.json", JSON.stringify(configuration));
        await launch("consul", ["agent", "-config-file", file], folder, ready);
        return new Throwaway(api, "/v1/snapshot", ready);
    }

    static async nomad({ datacenter, tokens, folder }: RehearsalArgs): Promise<Throwaway> {
        const [http, rpc, serf] = await freePorts(3);
        const configuration = {
            datacenter,
            name: rehearsalNode,
            data_dir: join(folder.path, "nomad"),
            bind_addr: "127.0.0.1",
            advertise: { http: "127.0.0.1", rpc: `127.0.0.1:${rpc}`, serf: `127.0.0.1:${serf}` },
            ports: { http, rpc, serf },
            // Nothing is to be scheduled: what the snapshot holds stays as it is.
            server: { enabled: true, bootstrap_expect: 1, raft_multiplier: 1, enabled_schedulers: [] },
            acl: { enabled: true },
            // There may be a Consul on this computer, which is not to hear of this.
            consul: { address: "127.0.0.1:9", auto_advertise: false, server_auto_join: false },
            disable_update_check: true,
        };
        const credentials: Credentials = { token: ["X-Nomad-Token", tokens.nomad] };
        const api = new Api("the throwaway Nomad", `http://127.0.0.1:${http}`, credentials);
        const ready = async () => {
            await api.get("/v1/acl/token/self");
            const keys = await api.get<{ keys?: unknown[] }>("/.well-known/jwks.json");
            if (!keys?.keys?.length) {
                throw new Error("its keyring is empty");
            }
        };
        const file = folder.write("nomad.json", JSON.stringify(configuration));
        await launch("nomad", ["agent", "-config", file], folder, () =>
            api.put("/v1/acl/bootstrap", { BootstrapSecret: tokens.nomad }),
        );
        await eventually("the throwaway Nomad", ready);
        return new Throwaway(api, "/v1/operator/snapshot", ready);
    }

    /** Afterwards it knows what the snapshot holds and nothing else. */
    async restore(snapshot: string): Promise<void> {
        await this.api.put(this.snapshotPath, readFileSync(snapshot));
        await eventually(this.api.name, this.ready);
    }
}

async function launch(
    tool: string,
    args: string[],
    folder: PrivateFolder,
    ready: () => Promise<unknown>,
): Promise<void> {
    const logFile = join(folder.path, `${tool}.log`);
    const log = openSync(logFile, "a", 0o600);
    // Its temporary files, too, are to be gone with the folder.
    const env = { PATH: process.env["PATH"], HOME: folder.path, TMPDIR: folder.path };
    const child = spawn(tool, args, { stdio: ["ignore", log, log], cwd: folder.path, env });
    let trouble: string | undefined;
    child.once("error", (error) => (trouble = error.message));
    child.once("exit", (code) => (trouble ??= `it has ended with ${code}`));
    folder.beforeEnd(() => child.kill("SIGKILL"));
    notePid(child, tool, folder);
    await eventually(`the throwaway ${tool}`, async () => {
        if (trouble !== undefined) {
            const said = readFileSync(logFile, "utf8").trim().split("\n").slice(-10).join("\n");
            throw new UserError(
                `the throwaway ${tool} does not start: ${trouble}\n${said}`,
                `"make restore" brings ${tool} along; it has to run on this computer`,
            );
        }
        await ready();
    });
}

function notePid({ pid }: ChildProcess, tool: string, folder: PrivateFolder): void {
    if (pid !== undefined) {
        folder.write(`${tool}.pid`, String(pid));
    }
}

/** Asks until it works. @throws at the deadline what it complained about last; a UserError at once */
export async function eventually(
    what: string,
    probe: () => Promise<unknown>,
    seconds = patience,
): Promise<void> {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
        try {
            await probe();
            return;
        } catch (error) {
            if (error instanceof UserError || Date.now() > deadline) {
                throw error instanceof UserError
                    ? error
                    : new UserError(`${what} is not ready after ${seconds} s: ${(error as Error).message}`);
            }
        }
        await new Promise((resolve) => setTimeout(resolve, 200));
    }
}

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

import { eventually } from "./poll";

/** A real agent in development mode: server and client in one, nothing kept, on loopback only. */
export interface Agent {
    /** `http://127.0.0.1:<port>` */
    readonly address: string;
    /** For other tools of the same kind, e.g. a second agent that joins. */
    readonly ports: Readonly<Record<string, number>>;
    stop(): Promise<void>;
    /** Starts again where it stopped: same ports, same data. */
    restart(): Promise<void>;
}

/** The tool's path: in `$GATEHOUSE_TOOLS_PATH`, else on `$PATH`. */
export function findTool(name: string): string {
    const folders = [process.env.GATEHOUSE_TOOLS_PATH, process.env.PATH].join(delimiter).split(delimiter);
    const found = folders
        .map((folder) => join(folder, name))
        .find((path) => path.startsWith("/") && existsSync(path));
    if (!found) {
        throw new Error(`${name} is in neither $GATEHOUSE_TOOLS_PATH nor $PATH; \`make test\` provides it`);
    }
    return found;
}

export async function startConsul(): Promise<Agent> {
    const ports = await freePorts(["http", "dns", "grpc", "grpc_tls", "server", "serf_lan", "serf_wan"]);
    const address = `http://127.0.0.1:${ports.http}`;
    return launch(
        "consul",
        ports,
        address,
        (folder) => {
            writeFileSync(
                join(folder, "consul.json"),
                JSON.stringify({
                    ports,
                    bind_addr: "127.0.0.1",
                    log_level: "WARN",
                    datacenter: "dc1",
                    disable_update_check: true,
                }),
            );
            return ["agent", "-dev", "-node", "test", "-config-file", join(folder, "consul.json")];
        },
        async () => {
            const leader = await (await fetch(`${address}/v1/status/leader`)).text();
            if (leader === '""') {
                throw new Error("no leader yet");
            }
        },
    );
}

/** With the raw_exec driver, so that jobs need no containers. */
export async function startNomad(): Promise<Agent> {
    const ports = await freePorts(["http", "rpc", "serf"]);
    const address = `http://127.0.0.1:${ports.http}`;
    return launch(
        "nomad",
        ports,
        address,
        (folder) => {
            writeFileSync(join(folder, "nomad.hcl"), nomadConfiguration(folder, ports));
            return ["agent", "-config", join(folder, "nomad.hcl")];
        },
        async () => {
            const nodes = (await (await fetch(`${address}/v1/nodes?drivers=true`)).json()) as {
                Status: string;
                Drivers?: Record<string, { Healthy: boolean }>;
            }[];
            if (!nodes.some((node) => node.Status === "ready" && node.Drivers?.raw_exec?.Healthy)) {
                throw new Error(`no node is ready: ${JSON.stringify(nodes.map((node) => node.Status))}`);
            }
            const keys = await (await fetch(`${address}/v1/operator/keyring/keys`)).text();
            if (!keys.includes('"active"')) {
                throw new Error(`the keyring has no active key: ${keys}`);
            }
        },
        () => stopJobs(address),
    );
}

/** Tasks outlive an agent that is not in development mode. */
async function stopJobs(address: string): Promise<void> {
    const get = async <T>(path: string): Promise<T[]> => (await fetch(address + path)).json() as Promise<T[]>;
    for (const job of await get<{ ID: string; Namespace: string }>("/v1/jobs?namespace=*")) {
        // Not purged: the servers forget a purged job's allocations at once.
        await fetch(`${address}/v1/job/${encodeURIComponent(job.ID)}?namespace=${job.Namespace}`, {
            method: "DELETE",
        });
    }
    await eventually("all allocations have stopped", async () => {
        const running = (await get<{ ClientStatus: string }>("/v1/allocations?namespace=*")).filter((each) =>
            ["running", "pending"].includes(each.ClientStatus),
        );
        if (running.length > 0) {
            throw new Error(`${running.length} still run`);
        }
    });
}

// Not `-dev`: its state is in memory, and a restart has to keep it.
export function nomadConfiguration(folder: string, ports: Record<string, number>): string {
    return `
data_dir   = "${folder}/data"
bind_addr  = "127.0.0.1"
log_level  = "WARN"
datacenter = "dc1"
disable_update_check = true
leave_on_terminate   = false
ports {
  http = ${ports.http}
  rpc  = ${ports.rpc}
  serf = ${ports.serf}
}
advertise {
  http = "127.0.0.1"
  rpc  = "127.0.0.1:${ports.rpc}"
  serf = "127.0.0.1:${ports.serf}"
}
server {
  enabled          = true
  bootstrap_expect = 1
  raft_multiplier  = 1
}
client {
  enabled           = true
  network_interface = "lo"
  servers           = ["127.0.0.1:${ports.rpc}"]
  gc_max_allocs     = 500
  gc_disk_usage_threshold  = 99
  gc_inode_usage_threshold = 99
  options {
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean,consul,vault"
    "driver.allowlist"     = "raw_exec,mock_driver"
  }
  reserved {
    disk = 0
  }
}
plugin "raw_exec" {
  config {
    enabled = true
  }
}
consul {
  client_auto_join = false
  auto_advertise   = false
}
`;
}

export async function launch(
    tool: string,
    ports: Record<string, number>,
    address: string,
    configure: (folder: string) => string[],
    ready: () => Promise<void>,
    beforeStop: () => Promise<void> = async () => {},
): Promise<Agent> {
    const binary = findTool(tool);
    const folder = mkdtempSync(join(tmpdir(), `gatehouse-${tool}-`));
    const logFile = join(folder, "log");
    const args = configure(folder);
    let child: ChildProcess | undefined;

    const start = async (): Promise<void> => {
        const log = openSync(logFile, "a");
        child = spawn(binary, args, { stdio: ["ignore", log, log], cwd: folder });
        const started = child;
        try {
            await eventually(`${tool} at ${address} is ready`, async () => {
                if (started.exitCode !== null) {
                    throw new Error(`it has ended: ${readFileSync(logFile, "utf8").slice(-2000)}`);
                }
                await ready();
            });
        } catch (error) {
            await end();
            throw error;
        }
    };
    const end = async (): Promise<void> => {
        const ending = child;
        if (!ending || ending.exitCode !== null || ending.signalCode !== null) {
            return;
        }
        const gone = new Promise((resolve) => ending.once("exit", resolve));
        const force = setTimeout(() => ending.kill("SIGKILL"), 10_000);
        ending.kill("SIGTERM");
        await gone;
        clearTimeout(force);
    };
    const forget = (): void => {
        const mounts = readFileSync("/proc/mounts", "utf8")
            .split("\n")
            .map((line) => line.split(" ")[1] ?? "");
        for (const mount of mounts.filter((path) => path.startsWith(`${folder}/`)).reverse()) {
            spawnSync("umount", [mount]);
        }
        rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    };
    process.once("exit", () => child?.kill("SIGKILL"));

    try {
        await start();
    } catch (error) {
        forget();
        throw error;
    }
    return {
        address,
        ports,
        stop: async () => {
            try {
                await beforeStop();
            } finally {
                await end();
                forget();
            }
        },
        restart: async () => {
            await end();
            await start();
        },
    };
}

// Below those that the system gives to whoever asks it for any port: nobody is given one of these before it is used, nor
// while its user starts again. Processes of tests that run side by side have each their own.
const portsOfProcess = 1200;
const firstPort = 10_000 + (Number(process.env.MOCHA_WORKER_ID ?? 7) % 8) * portsOfProcess;
let nextPort = Math.floor(Math.random() * portsOfProcess);

/** Free TCP ports by name. */
export async function freePorts<Name extends string>(names: readonly Name[]): Promise<Record<Name, number>> {
    const ports: Partial<Record<Name, number>> = {};
    for (const name of names) {
        let port;
        do {
            port = firstPort + (nextPort++ % portsOfProcess);
        } while (!(await isFree(port)));
        ports[name] = port;
    }
    return ports as Record<Name, number>;
}

function isFree(port: number): Promise<boolean> {
    return new Promise((resolve) => {
        const server = createServer();
        server.once("error", () => resolve(false));
        server.listen(port, "0.0.0.0", () => server.close(() => resolve(true)));
    });
}

import * as childProcess from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { findTool } from "../../support/agents";

const execFile = promisify(childProcess.execFile);
const jobFile = join(__dirname, "../../../jobs/haproxy.nomad.hcl");

export interface HaproxySettings {
    items: Record<string, string>;
    ports?: { http: number; stats: number };
    consulDns?: string;
    /** Where services are asked for, if the template asks for any. */
    consul?: string;
    proxySources?: string[];
}

export const defaultItems = {
    discovery: "dns",
    slots: "16",
    health_path: "/health",
    log: "errors",
    stats_user: "admin",
    stats_password: "secret",
};

/** The template as Nomad's own parser reads it out of the job file. */
export async function haproxyTemplate(
    consulDns = "127.0.0.1:8600",
    proxySources: string[] = [],
): Promise<string> {
    const variables = [`consul_dns=${consulDns}`, `proxy_sources=${JSON.stringify(proxySources)}`];
    const { stdout } = await execFile(
        "nomad",
        ["job", "run", "-output", ...variables.flatMap((each) => ["-var", each]), jobFile],
        {
            env: { ...process.env, NOMAD_ADDR: "http://127.0.0.1:1" },
        },
    );
    const job = JSON.parse(stdout) as {
        Job: { TaskGroups: { Tasks: { Templates: { EmbeddedTmpl: string }[] }[] }[] };
    };
    return job.Job.TaskGroups[0]!.Tasks[0]!.Templates[0]!.EmbeddedTmpl;
}

/** Renders haproxy.cfg with consul-template, the engine inside Nomad, from a Nomad variable served here. */
export async function renderHaproxy(settings: HaproxySettings): Promise<string> {
    const api = http.createServer((request, response) => {
        const path = decodeURIComponent(new URL(request.url ?? "/", "http://nomad").pathname);
        response.setHeader("X-Nomad-Index", "1");
        if (path !== "/v1/var/nomad/jobs/haproxy") {
            response.writeHead(404).end();
            return;
        }
        const variable = { Namespace: "default", Path: "nomad/jobs/haproxy", CreateIndex: 1, ModifyIndex: 1 };
        response.setHeader("Content-Type", "application/json");
        response.end(JSON.stringify({ ...variable, Items: settings.items }));
    });
    await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
    const folder = mkdtempSync(join(tmpdir(), "gatehouse-haproxy-"));
    try {
        const source = join(folder, "haproxy.ctmpl");
        const target = join(folder, "haproxy.cfg");
        writeFileSync(source, await haproxyTemplate(settings.consulDns, settings.proxySources));
        const address = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
        const ports = settings.ports ?? { http: 80, stats: 1936 };
        await execFile(findTool("consul-template"), ["-once", `-template=${source}:${target}`], {
            env: {
                ...process.env,
                NOMAD_ADDR: address,
                ...(settings.consul !== undefined && { CONSUL_HTTP_ADDR: settings.consul }),
                NOMAD_DC: "dc1",
                NOMAD_PORT_http: String(ports.http),
                NOMAD_PORT_stats: String(ports.stats),
            },
            timeout: 20_000,
        });
        return readFileSync(target, "utf8");
    } finally {
        rmSync(folder, { recursive: true, force: true });
        api.close();
        api.closeAllConnections();
    }
}

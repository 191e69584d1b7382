import * as assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { balancerSettings, type NodeBalancerArgs } from "../../../components/balancers/node-balancer";
import { root } from "../../support/command";
import { output } from "../../support/command";
import { findTool } from "../../support/agents";

/** An instance as a test writes it into Consul's catalogue. */
export interface Instance {
    service: string;
    id: string;
    tags?: string[];
    /** Default: 10.218.0.22, of `node-2`. */
    node?: "node-1" | "node-2";
    /** The instance's own address. Default: the node's. */
    address?: string;
    /** Default: 8080. */
    port?: number;
    /** Default: passing. */
    status?: "passing" | "critical";
}

export const addresses = { "node-1": "10.218.0.21", "node-2": "10.218.0.22" } as const;

export async function register(consul: string, ...instances: Instance[]): Promise<void> {
    for (const instance of instances) {
        const {
            service,
            id,
            tags = [],
            node = "node-2",
            address = "",
            port = 8080,
            status = "passing",
        } = instance;
        await put(`${consul}/v1/catalog/register`, {
            Node: node,
            Address: addresses[node],
            Service: { ID: id, Service: service, Tags: tags, Address: address, Port: port },
            Check: { CheckID: `check-${id}`, Name: id, ServiceID: id, Status: status },
        });
    }
}

/** Nodes and all that is on them. */
export async function forgetAll(consul: string): Promise<void> {
    for (const node of Object.keys(addresses)) {
        await put(`${consul}/v1/catalog/deregister`, { Node: node });
    }
}

async function put(url: string, body: unknown): Promise<void> {
    const answer = await fetch(url, { method: "PUT", body: JSON.stringify(body) });
    assert.ok(answer.ok, `${url}: ${answer.status} ${await answer.text()}`);
}

/** What consul-template makes of the catalogue and a balancer's settings. */
export async function render(consul: string, args: NodeBalancerArgs): Promise<string> {
    const folder = mkdtempSync(join(tmpdir(), "gatehouse-node-render-"));
    try {
        const [settings, result] = [join(folder, "balancer.json"), join(folder, "haproxy.cfg")];
        writeFileSync(settings, JSON.stringify(balancerSettings(args)));
        const template = join(root, "components/balancers/node/haproxy.ctmpl");
        await output(
            findTool("consul-template"),
            ["-once", "-consul-addr", consul, "-template", `${template}:${result}`],
            { env: { ...process.env, BALANCER_SETTINGS: settings }, timeout: 30 },
        );
        return readFileSync(result, "utf8");
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
}

/** The lines of one section, without comments. */
export function section(configuration: string, heading: string): string[] {
    const lines = configuration.split("\n");
    const start = lines.indexOf(heading);
    assert.ok(start >= 0, `there is no section ${heading} in\n${configuration}`);
    const rest = lines.slice(start + 1);
    const length = rest.findIndex((line) => /^[^\s#]/.test(line));
    return rest
        .slice(0, length < 0 ? undefined : length)
        .map((line) => line.trim())
        .filter((line) => line !== "" && !line.startsWith("#"));
}

/** The server lines of a section: `a 10.218.0.22:8080`. */
export function servers(configuration: string, heading: string): string[] {
    return section(configuration, heading)
        .filter((line) => line.startsWith("server "))
        .map((line) => line.slice("server ".length));
}

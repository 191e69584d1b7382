import * as assert from "node:assert/strict";

import { output } from "./command";
import { docker, inside } from "./docker";
import { request } from "./http";
import { Lab } from "./lab";
import { withLoad } from "./load";
import { startNetworkLoad, type NetworkLoadReport } from "./network-load";
import { eventually } from "./poll";
import { tlsRequest, type TlsAnswer } from "./tls";

export type Api = "consul" | "nomad";

/** The machines of the lab with its default settings. */
export const servers = ["server-1", "server-2", "server-3"];
export const clients = ["client-1", "client-2"];
export const machines = [...servers, ...clients];

export interface ApiRequest {
    method?: "GET" | "PUT" | "POST" | "DELETE";
    /** Sent as JSON. */
    body?: unknown;
    /** The machine on which the API is asked, by `docker exec`. Default: the operators' endpoint. */
    via?: string;
    /** Default: the management token. */
    token?: string;
}

/** The `routed` lab under test. */
export class RoutedLab extends Lab {
    constructor(name: "e2e-routed" | "bench-routed" = "e2e-routed") {
        super(name);
    }

    /** Runs a command on a machine. */
    on(machine: string, ...command: string[]): Promise<string> {
        return inside(this.stack.object(machine), ...command);
    }

    /** Runs a command on a machine with something to read; `environment` is on no command line. */
    feed(
        machine: string,
        input: string,
        command: string[],
        environment: Record<string, string> = {},
    ): Promise<string> {
        const names = Object.keys(environment).flatMap((name) => ["--env", name]);
        return output("docker", ["exec", "--interactive", ...names, this.stack.object(machine), ...command], {
            input,
            env: { ...process.env, ...environment },
        });
    }

    /** Nomad's command line on a machine, as its manager. */
    nomadCommand(machine: string, input: string, ...command: string[]): Promise<string> {
        return this.feed(machine, input, ["nomad", ...command], {
            NOMAD_ADDR: "https://127.0.0.1:4646",
            NOMAD_CACERT: "/etc/nomad.d/tls/ca.pem",
            NOMAD_TOKEN: this.environment("NOMAD_TOKEN"),
        });
    }

    /** Consul's command line on a machine, as its manager. */
    consulCommand(machine: string, ...command: string[]): Promise<string> {
        return this.feed(machine, "", ["consul", ...command], {
            CONSUL_HTTP_TOKEN: this.environment("CONSUL_HTTP_TOKEN"),
        });
    }

    /** Asks for a name on a machine, as a program there would; the last line is the status. */
    ask(machine: string, url: string, ...flags: string[]): Promise<string> {
        const curl = ["curl", "--silent", "--max-time", "5", "--write-out", "\n%{http_code}"];
        return this.on(machine, ...curl, ...flags, url);
    }

    /** Asks the first client's balancer from outside. */
    async status(service: string): Promise<number> {
        return (await request(this.url("http"), { headers: { host: `${service}.service` } })).status;
    }

    /** One of the operators' endpoints, verified with the lab's CA. */
    operators(
        name: Api,
        path: string,
        headers: Record<string, string> = {},
        options: { method?: string; body?: unknown } = {},
    ): Promise<TlsAnswer> {
        return tlsRequest({
            port: Number(new URL(this.url(name)).port),
            servername: "localhost",
            ca: this.environment("GATEHOUSE_CA"),
            path,
            headers,
            ...options,
        });
    }

    /** The operators' password as a header. */
    get password(): Record<string, string> {
        const auth = Buffer.from(this.environment("CONSUL_HTTP_AUTH")).toString("base64");
        return { authorization: `Basic ${auth}` };
    }

    /** The management token as a header. */
    manager(api: Api): Record<string, string> {
        return { [tokenHeader[api]]: this.environment(tokenVariable[api]) };
    }

    /** What an API answers, with its status. */
    async answer(
        api: Api,
        path: string,
        options: ApiRequest = {},
    ): Promise<{ status: number; body: string }> {
        const { via, method = "GET", body } = options;
        const token = options.token ?? this.environment(tokenVariable[api]);
        if (via === undefined) {
            const headers = { ...this.password, [tokenHeader[api]]: token };
            return this.operators(api, path, headers, { method, body });
        }
        const lines = [
            "silent",
            "show-error",
            "max-time = 5",
            `request = ${method}`,
            `write-out = "\\n%{http_code}"`,
            `header = "${tokenHeader[api]}: ${token}"`,
            ...(body === undefined ? [] : [`data-binary = ${JSON.stringify(JSON.stringify(body))}`]),
            ...(api === "consul"
                ? [`url = "http://127.0.0.1:8500${path}"`]
                : [`cacert = /etc/nomad.d/tls/ca.pem`, `url = "https://127.0.0.1:4646${path}"`]),
        ];
        const text = await this.feed(via, lines.join("\n"), ["curl", "--config", "-"]);
        const end = text.lastIndexOf("\n");
        return { status: Number(text.slice(end + 1)), body: text.slice(0, end) };
    }

    /** The JSON that an API answers; anything but success is an error. */
    async api<T>(api: Api, path: string, options: ApiRequest = {}): Promise<T> {
        const { status, body } = await this.answer(api, path, options);
        if (status !== 200) {
            throw new Error(
                `${api}: ${options.method ?? "GET"} ${path} answered ${status}: ${body.slice(0, 300)}`,
            );
        }
        return JSON.parse(body) as T;
    }

    /** The members that Consul knows, by name: `alive`, `left`, `failed` … */
    async members(via?: string): Promise<Record<string, string>> {
        const states = ["none", "alive", "leaving", "left", "failed"];
        const all = await this.api<{ Name: string; Status: number }[]>("consul", "/v1/agent/members", {
            via,
        });
        return Object.fromEntries(all.map(({ Name, Status }) => [Name, states[Status] ?? String(Status)]));
    }

    /** The servers that vote, and who leads. */
    async raft(api: Api, via?: string): Promise<{ voters: string[]; leader: string | undefined }> {
        const { Servers } = await this.api<{ Servers: { Node: string; Voter: boolean; Leader: boolean }[] }>(
            api,
            "/v1/operator/raft/configuration",
            { via },
        );
        // Nomad calls a server by its name and region.
        const nameOf = (each: { Node: string }): string => each.Node.split(".")[0] ?? "";
        const leader = Servers.find(({ Leader }) => Leader);
        return {
            voters: Servers.filter(({ Voter }) => Voter)
                .map(nameOf)
                .sort(),
            leader: leader && nameOf(leader),
        };
    }

    /** What is another value when a machine was replaced, or one of its agents restarted. */
    async identities(names: string[]): Promise<Record<string, string>> {
        const all = names.map(async (name): Promise<[string, string]> => {
            const pids = await this.on(
                name,
                ...["systemctl", "show", "consul", "nomad", "--property=MainPID", "--value"],
            );
            return [name, [(await this.made(name)).trim(), ...pids.trim().split(/\s+/)].join(" ")];
        });
        return Object.fromEntries(await Promise.all(all));
    }

    /** Does something while `helloworld` is asked through the first client's balancer; no request may fail. */
    async losesNothing(action: () => Promise<unknown>): Promise<void> {
        const headers = { host: "helloworld.service" };
        const { report } = await withLoad({ url: `${this.url("http")}/`, headers, rate: 50 }, action);
        assert.equal(report.failed, 0, JSON.stringify(report, undefined, 2));
    }

    /** Does something while `helloworld` is asked through the balancers of these machines in turn. */
    async underLoad(through: string[], action: () => Promise<unknown>): Promise<NetworkLoadReport> {
        const addresses = through.map((name) => this.address(name));
        const load = await startNetworkLoad(this.stack, { addresses, host: "helloworld.service" });
        try {
            await action();
        } catch (error) {
            await load.stop();
            throw error;
        }
        return load.stop();
    }

    /** The addresses that a machine's HAProxy sends requests to, of one of its backends: `10.218.0.21:20001`. */
    async balanced(machine: string, backend: string): Promise<string[]> {
        const ask = "echo show stat | socat - UNIX-CONNECT:/run/haproxy/admin.sock";
        const [names = "", ...rows] = (await this.on(machine, "sh", "-c", ask)).trim().split("\n");
        const columns = names.replace(/^# /, "").split(",");
        const all = rows.map((row) => {
            const cells = row.split(",");
            return Object.fromEntries(columns.map((column, index) => [column, cells[index] ?? ""]));
        });
        return all
            .filter(
                ({ pxname, addr, status }) => pxname === backend && addr !== "" && /^UP/.test(status ?? ""),
            )
            .map(({ addr }) => addr ?? "")
            .sort();
    }

    /** The containers of the jobs' tasks on a client, by name; sidecars and what only holds a network are none. */
    async tasks(client: string): Promise<string[]> {
        const list = await this.on(client, "docker", "ps", "--format", "{{.Names}}");
        return list.split("\n").filter((each) => /^(server|dashboard|web)-[0-9a-f]{8}-/.test(each));
    }

    /** Runs a script of Node's in a task's network and with its resolver: the task itself has no memory to spare. */
    async beside(client: string, task: string, script: string): Promise<string> {
        const image = await this.on(client, "docker", "inspect", "--format", "{{.Image}}", task);
        return this.on(
            client,
            ...["docker", "run", "--rm", "--network", `container:${task}`],
            ...["--entrypoint", "/usr/bin/node", image.trim(), "-e", script],
        );
    }

    address(machine: string): string {
        const found = this.outputs.machines.find(({ name }) => name === machine);
        assert.ok(found, `there is no machine ${machine} among the outputs`);
        return found.privateAddress;
    }

    /** Which container the machine is: another one is another machine. */
    made(machine: string): Promise<string> {
        return docker("inspect", "--format", "{{.Id}}", this.stack.object(machine));
    }

    /** Waits until a machine answers by name. */
    reaches(machine: string, service: string): Promise<void> {
        return eventually(`${machine} reaches ${service}`, async () =>
            assert.match(await this.ask(machine, `http://${service}.service/`), /\n200$/),
        );
    }
}

const tokenHeader = { consul: "x-consul-token", nomad: "x-nomad-token" };
const tokenVariable = { consul: "CONSUL_HTTP_TOKEN", nomad: "NOMAD_TOKEN" };

export const lab = new RoutedLab();

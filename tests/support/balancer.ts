import * as assert from "node:assert/strict";

import type { Health } from "../../images/balancer/supervisor";
import { capabilities } from "../../components/balancers/sticky-balancer";
import { type Application, bases } from "../../components/images/applications";
import { prepareContext } from "../../components/images/bundle";
import { contextDigest } from "../../components/images/digest";
import { imageReference } from "../../toolchain/images";
import { output, root, run, type CommandResult } from "./command";
import { docker, inside, removeLeftovers } from "./docker";
import { getJson, request, type Answer } from "./http";
import { Pebble, type PebbleOptions } from "./pebble";
import { eventually } from "./poll";

/** As in the lab: what a balancer may do there has to do here. */
const leastPrivilege = ["--cap-drop", "ALL", ...capabilities.flatMap((each) => ["--cap-add", each])];

/** Builds an application image as the container labs do, and under their name; Docker's cache makes it quick. */
export async function buildImage(application: Application): Promise<string> {
    const context = prepareContext(application);
    const parent = imageReference(bases[application]);
    const reference = `gatehouse/${application}:${contextDigest(context, parent)}`;
    await output("docker", ["build", "--tag", reference, "--build-arg", `PARENT=${parent}`, context], {
        cwd: root,
    });
    return reference;
}

/** A network with web servers, a balancer and perhaps a CA in it, all labelled and gone after `close`. */
export class BalancerScene {
    readonly network: string;

    private constructor(
        readonly stack: string,
        private readonly images: { balancer: string; hello: string },
    ) {
        this.network = this.object("network");
    }

    /** @param name makes the labels and names unique among the tests of this process */
    static async open(name: string): Promise<BalancerScene> {
        const [balancer, hello] = [await buildImage("balancer"), await buildImage("hello")];
        const scene = new BalancerScene(`unit-${name}-${process.pid}`, { balancer, hello });
        await docker("network", "create", "--label", `dev.gatehouse.stack=${scene.stack}`, scene.network);
        return scene;
    }

    async close(): Promise<void> {
        await removeLeftovers(this.stack);
    }

    /** Starts a web server that answers `Hello from Backend: <name>`, reached as `<name>:8080`. */
    async backend(name: string): Promise<void> {
        await docker(
            ...["run", "--detach", ...this.common(name), "--env", `NAME=Backend: ${name}`],
            this.images.hello,
        );
    }

    async stopBackend(name: string): Promise<void> {
        await docker("stop", this.object(name));
    }

    async startBackend(name: string): Promise<void> {
        await docker("start", this.object(name));
    }

    /** Removes the web server; one of the same name that is started later has another address. */
    async removeBackend(name: string): Promise<void> {
        await docker("rm", "--force", this.object(name));
    }

    async pebble(options: Partial<PebbleOptions> = {}): Promise<Pebble> {
        return Pebble.start({
            name: this.object("pebble"),
            network: this.network,
            stack: this.stack,
            ...options,
        });
    }

    /** Starts a balancer with these variables and waits until it tells its health. */
    async balancer(environment: Record<string, string>, options: BalancerOptions = {}): Promise<Balancer> {
        const balancer = await this.launch(environment, options);
        await eventually("the balancer is alive", async () =>
            assert.equal((await balancer.health()).alive, true),
        );
        return balancer;
    }

    /** Starts a balancer and looks no further. */
    async launch(environment: Record<string, string>, options: BalancerOptions = {}): Promise<Balancer> {
        const name = options.name ?? "balancer";
        const volume = this.object(options.volume ?? name);
        await docker("volume", "create", "--label", `dev.gatehouse.stack=${this.stack}`, volume);
        await docker(
            ...["run", "--detach", ...this.common(name), ...leastPrivilege],
            ...(options.aliases ?? []).flatMap((alias) => ["--network-alias", alias]),
            ...["--publish", "127.0.0.1::80", "--publish", "127.0.0.1::443", "--publish", "127.0.0.1::1936"],
            ...["--volume", `${volume}:/var/lib/balancer`],
            ...Object.entries(environment).flatMap(([key, value]) => ["--env", `${key}=${value}`]),
            this.images.balancer,
            ...(options.command ?? []),
        );
        return new Balancer(this.object(name));
    }

    /** Runs a balancer that is to end by itself; returns how it did and what it said. */
    async refused(environment: Record<string, string>): Promise<CommandResult> {
        return run("docker", [
            ...["run", "--rm", "--label", `dev.gatehouse.stack=${this.stack}`, "--network", this.network],
            ...leastPrivilege,
            ...Object.entries(environment).flatMap(([key, value]) => ["--env", `${key}=${value}`]),
            this.images.balancer,
        ]);
    }

    private object(name: string): string {
        return `gatehouse-${this.stack}-${name}`;
    }

    private common(name: string): string[] {
        const label = `dev.gatehouse.stack=${this.stack}`;
        return [
            "--name",
            this.object(name),
            "--label",
            label,
            "--network",
            this.network,
            "--network-alias",
            name,
        ];
    }
}

export interface BalancerOptions {
    /** Default `balancer`. */
    name?: string;
    /** Domains under which the network finds it. */
    aliases?: string[];
    /** The volume with its state. Default one of its own. */
    volume?: string;
    /** The image's command. Default `serve`. */
    command?: string[];
}

/** A balancer that runs in a container. */
export class Balancer {
    constructor(readonly container: string) {}

    /** The port on 127.0.0.1 that leads to one of the container's. */
    async port(internal: 80 | 443 | 1936): Promise<number> {
        const published = await docker("port", this.container, `${internal}/tcp`);
        return Number(published.trim().split("\n")[0]!.split(":").at(-1));
    }

    async url(internal: 80 | 1936 = 80): Promise<string> {
        return `http://127.0.0.1:${await this.port(internal)}`;
    }

    async health(): Promise<Health> {
        if ((await docker("inspect", "--format", "{{.State.Running}}", this.container)).trim() !== "true") {
            throw new Error(`the balancer has ended:\n${await this.log()}`);
        }
        return getJson<Health>(`${await this.url(1936)}/health`);
    }

    /** One visit, with the session's cookie if there is one. */
    async visit(cookie?: string): Promise<Visit> {
        return visitOf(
            await request(`${await this.url()}/`, { headers: cookie === undefined ? {} : { cookie } }),
        );
    }

    /** Hands settings to a managed balancer. */
    apply(settings: Record<string, string>): Promise<CommandResult> {
        return run("docker", ["exec", "-i", this.container, "node", "/app/main.js", "apply"], {
            input: JSON.stringify(settings),
        });
    }

    /** Waits until requests go to the server that has a backend's name now. */
    awaitBackend(name: string, seconds = 30): Promise<CommandResult> {
        return run("docker", ["exec", this.container, "node", "/app/main.js", "await", name, `${seconds}`]);
    }

    /** Process id of the worker that takes new connections: another one after a reload. */
    async worker(): Promise<string> {
        const script =
            "const s=require('net').connect('/run/balancer/master.sock');s.end('show proc\\n');s.pipe(process.stdout)";
        const answer = await inside(this.container, "node", "-e", script);
        const current = answer.split("# old workers")[0]!;
        return /^(\d+)\s+worker/m.exec(current)?.[1] ?? "";
    }

    async log(): Promise<string> {
        return (await run("docker", ["logs", this.container])).output;
    }

    /** SIGTERM, as `docker stop` sends it. Returns the exit code. */
    async stop(): Promise<number> {
        await docker("stop", this.container);
        return Number(await docker("inspect", "--format", "{{.State.ExitCode}}", this.container));
    }

    /** `healthy`, `unhealthy` or `starting`. */
    async dockerHealth(): Promise<string> {
        return (await docker("inspect", "--format", "{{.State.Health.Status}}", this.container)).trim();
    }

    /** Undefined while it runs. */
    async exitCode(): Promise<number | undefined> {
        const state = await docker(
            "inspect",
            "--format",
            "{{.State.Running}} {{.State.ExitCode}}",
            this.container,
        );
        const [running, code] = state.trim().split(" ");
        return running === "true" ? undefined : Number(code);
    }

    /** As the out-of-memory killer would end HAProxy's master. */
    async killHaproxy(): Promise<void> {
        const script =
            "const fs=require('fs');for(const p of fs.readdirSync('/proc').filter(Number)){" +
            "const s=fs.readFileSync('/proc/'+p+'/stat','utf8').split(' ');" +
            "if(s[1]==='(haproxy)'&&s[3]==='1')process.kill(Number(p),'SIGKILL')}";
        // The container may be gone before this has said that it is done.
        await inside(this.container, "node", "-e", script).catch(() => undefined);
    }

    async restart(): Promise<void> {
        await docker("restart", this.container);
        await eventually("the balancer is alive", async () =>
            assert.equal((await this.health()).alive, true),
        );
    }

    async remove(): Promise<void> {
        await docker("rm", "--force", this.container);
    }
}

export interface Visit {
    status: number;
    /** Who answered. */
    backend: string | undefined;
    /** The session's cookie, if the balancer set one: `SERVERID=<name>`. */
    cookie: string | undefined;
    answer: Answer;
}

export function visitOf(answer: Answer): Visit {
    return {
        status: answer.status,
        backend: /^Hello from Backend: (\S+)/.exec(answer.body)?.[1],
        cookie: answer.headers["set-cookie"]?.[0]?.split(";")[0],
        answer,
    };
}

import * as os from "node:os";

import { buildImage } from "../../tests/support/balancer";
import { request, type Answer } from "../../tests/support/http";
import { eventually } from "../../tests/support/poll";
import { imageReference } from "../../toolchain/images";
import { inTurns } from "../in-turns";
import { withFiles } from "../proxies/job";
import { Scene } from "../scene";
import { discoverySettings, haproxyConfig, settingsFile } from "./haproxy";
import { serversConfig, servicesOf, type Instance } from "./instances";

const consulPort = 8500;
const metricsPort = 8404;

/** The port of the HAProxy that follows Consul, and of the one whose servers are written down. */
export const ports = { module: 8081, plain: 8082 };

/**
 * A Consul agent, web servers and HAProxy beside the lab, in one network namespace: nothing but loopback lies between
 * them, and all cores are everybody's, as on a machine.
 */
export class Stage {
    private constructor(
        readonly scene: Scene,
        readonly instances: Instance[],
        /** Where Consul, HAProxy with the module and its metrics are for this computer. */
        private readonly urls: { consul: string; requests: string; metrics: string },
    ) {}

    /** Begins with all instances registered. */
    static async open(label: string, instances: Instance[]): Promise<Stage> {
        const published = [consulPort, ports.module, metricsPort];
        const scene = await Scene.open(label, { publish: published, cores: os.cpus().length });
        const [consul, requests, metrics] = await Promise.all(published.map((port) => scene.portOf(port)));
        const stage = new Stage(scene, instances, {
            consul: `http://127.0.0.1:${consul}`,
            requests: `http://127.0.0.1:${requests}`,
            metrics: `http://127.0.0.1:${metrics}`,
        });
        try {
            await stage.start();
        } catch (error) {
            await stage.close();
            throw error;
        }
        return stage;
    }

    private async start(): Promise<void> {
        await this.scene.add({
            name: "servers",
            image: imageReference("haproxy-base"),
            entrypoint: "/bin/sh",
            ...withFiles(
                { "/tmp/servers.cfg": serversConfig(this.instances) },
                "haproxy -f /tmp/servers.cfg",
            ),
        });
        // In development mode: server and client in one, and nothing is written to a disk.
        await this.scene.add({
            name: "consul",
            image: imageReference("consul"),
            command: ["agent", "-dev", "-bind=127.0.0.1", "-client=0.0.0.0", "-log-level=warn"],
        });
        await eventually("Consul has a leader", async () => {
            const { body } = await request(`${this.urls.consul}/v1/status/leader`);
            if (!body.includes(":")) {
                throw new Error(`it says ${body}`);
            }
        });
        await inTurns(this.instances, (instance) => this.register(instance));
    }

    /** Starts an HAProxy as the lab has it, and waits until it has every instance. */
    async haproxy(kind: "module" | "plain", slots: number): Promise<void> {
        const { instances } = this;
        const port = ports[kind];
        const module = kind === "module";
        const config = haproxyConfig({ instances, slots, port, ...(module ? { metricsPort } : {}) });
        const settings = JSON.stringify(discoverySettings(servicesOf(instances), consulPort));
        await this.scene.add({
            name: kind,
            image: await buildImage("haproxy"),
            entrypoint: "/bin/sh",
            ...withFiles(
                { "/tmp/haproxy.cfg": config, [settingsFile]: settings },
                // The workers write the last good state, as in the directory that Nomad gives them.
                "sh -c 'chmod 777 /var/lib/haproxy/state && exec haproxy -W -f /tmp/haproxy.cfg'",
            ),
        });
        await eventually("HAProxy answers", () =>
            this.scene.exec("curl", "--silent", "--fail", `http://127.0.0.1:${port}/`),
        );
        if (module) {
            await this.settled();
        }
    }

    /** By the agent's API, with a check that the agent itself makes; a new instance counts as passing at once. */
    register({ id, service, address, port }: Instance): Promise<void> {
        return this.put("/v1/agent/service/register", {
            ID: id,
            Name: service,
            Address: address,
            Port: port,
            Check: { HTTP: `http://${address}:${port}/health`, Interval: "10s", Status: "passing" },
        });
    }

    deregister({ id }: Instance): Promise<void> {
        return this.put(`/v1/agent/service/deregister/${id}`);
    }

    private async put(path: string, body?: unknown): Promise<void> {
        const answer = await request(this.urls.consul + path, { method: "PUT", body, timeout: 20 });
        if (answer.status !== 200) {
            throw new Error(`Consul answered ${answer.status}: ${answer.body}`);
        }
    }

    /** The address of the HAProxy with the module for requests from this computer. */
    get url(): string {
        return this.urls.requests;
    }

    async metrics(): Promise<Metrics> {
        return new Metrics(await request(this.urls.metrics));
    }

    /** The module's figures when it has every instance. */
    settled(): Promise<Metrics> {
        return eventually("HAProxy has every instance", async () => {
            const metrics = await this.metrics();
            if (metrics.sum("slots_used") !== this.instances.length) {
                throw new Error(`${metrics.sum("slots_used")} servers are in use`);
            }
            return metrics;
        });
    }

    close(): Promise<void> {
        return this.scene.close();
    }
}

/** The module's own figures. */
export class Metrics {
    private readonly text: string;

    constructor({ status, body }: Pick<Answer, "status" | "body">) {
        if (status !== 200) {
            throw new Error(`the metrics answered ${status}: ${body}`);
        }
        this.text = body;
    }

    /** Of every service that has the figure, and every kind. */
    values(name: string): number[] {
        const lines = this.text.match(new RegExp(`^gatehouse_discovery_${name}\\{.*$`, "gm"));
        if (lines === null) {
            throw new Error(`no gatehouse_discovery_${name} is among the metrics`);
        }
        return lines.map((line) => Number(line.split(" ").at(-1))).filter((value) => !Number.isNaN(value));
    }

    sum(name: string): number {
        return this.values(name).reduce((sum, value) => sum + value, 0);
    }
}

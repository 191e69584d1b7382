import * as assert from "node:assert/strict";

import { docker, inside } from "./docker";
import { request } from "./http";
import { Lab } from "./lab";
import { withLoad } from "./load";
import { eventually } from "./poll";
import { tlsRequest, type TlsAnswer } from "./tls";

/** The `routed` lab under test. */
export class RoutedLab extends Lab {
    constructor() {
        super("e2e-routed");
    }

    /** Runs a command on a machine. */
    on(machine: string, ...command: string[]): Promise<string> {
        return inside(this.stack.object(machine), ...command);
    }

    /** Asks for a name on a machine, as a program there would; the last line is the status. */
    ask(machine: string, url: string): Promise<string> {
        return this.on(machine, "curl", "--silent", "--max-time", "5", "--write-out", "\n%{http_code}", url);
    }

    /** Asks the first client's balancer from outside. */
    async status(service: string): Promise<number> {
        return (await request(this.url("http"), { headers: { host: `${service}.service` } })).status;
    }

    /** One of the operators' endpoints, verified with the lab's CA. */
    operators(
        name: "consul" | "nomad",
        path: string,
        headers: Record<string, string> = {},
    ): Promise<TlsAnswer> {
        return tlsRequest({
            port: Number(new URL(this.url(name)).port),
            servername: "localhost",
            ca: this.environment("GATEHOUSE_CA"),
            path,
            headers,
        });
    }

    /** The operators' password as a header. */
    get password(): Record<string, string> {
        const auth = Buffer.from(this.environment("CONSUL_HTTP_AUTH")).toString("base64");
        return { authorization: `Basic ${auth}` };
    }

    /** Does something while `helloworld` is asked through the first client's balancer; no request may fail. */
    async losesNothing(action: () => Promise<unknown>): Promise<void> {
        const headers = { host: "helloworld.service" };
        const { report } = await withLoad({ url: `${this.url("http")}/`, headers, rate: 50 }, action);
        assert.equal(report.failed, 0, JSON.stringify(report, undefined, 2));
    }

    /** When the machine's container was made: another one is another machine. */
    async made(machine: string): Promise<string> {
        return docker("inspect", "--format", "{{.Id}}", this.stack.object(machine));
    }

    /** Waits until a machine answers by name. */
    reaches(machine: string, service: string): Promise<void> {
        return eventually(`${machine} reaches ${service}`, async () =>
            assert.match(await this.ask(machine, `http://${service}.service/`), /\n200$/),
        );
    }
}

export const lab = new RoutedLab();

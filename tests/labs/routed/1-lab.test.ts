import * as assert from "node:assert/strict";

import { eventually } from "../../support/poll";
import { lab } from "../../support/routed-lab";

const servers = ["server-1", "server-2", "server-3"];
const machines = [...servers, "client-1", "client-2"];

describe("routed lab", function () {
    this.timeout("30m"); // With a cold cache the set-up comes first.

    before("bring it up", () => lab.ensureUp());
    after("remove what is left", () => lab.stack.startAfresh());

    it("ends by saying where to look", async () => {
        const { output } = await lab.ensureUp();
        for (const name of ["http", "consul", "nomad", "dashboard"]) {
            assert.ok(output.includes(lab.url(name)), `make up does not print urls.${name}`);
        }
    });

    it("plans nothing in a second preview", () => lab.stack.previewsNothing());

    it("answers by name on every machine, and to clients from outside", async () => {
        for (const machine of machines) {
            await lab.reaches(machine, "helloworld");
            await lab.reaches(machine, "demo-webapp");
        }
        assert.equal(await lab.status("helloworld"), 200);
    });

    it("answers by name inside the containers of the jobs", async () => {
        const script =
            'require("http").get("http://helloworld.service/", ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1))';
        let asked = 0;
        for (const client of ["client-1", "client-2"]) {
            const list = await lab.on(client, "docker", "ps", "--format", "{{.Names}}");
            for (const name of list.split("\n").filter((each) => /^(server|dashboard|api)-/.test(each))) {
                const image = await lab.on(client, "docker", "inspect", "--format", "{{.Image}}", name);
                // Beside the job's own process, in its network and with its resolver: the job has no memory to spare.
                await lab.on(
                    client,
                    ...["docker", "run", "--rm", "--network", `container:${name}`],
                    ...["--entrypoint", "/usr/bin/node", image.trim(), "-e", script],
                );
                asked += 1;
            }
        }
        assert.ok(asked >= 7, `only ${asked} containers were asked`);
    });

    it("leaves a service without the tag unreachable by name", async () => {
        for (const machine of ["server-2", "client-2"]) {
            assert.match(await lab.ask(machine, "http://hidden.service/"), /hidden\.service[\s\S]*\n404$/);
        }
        assert.equal(await lab.status("hidden"), 404);
    });

    it("resolves Consul's own names, and services to the machine itself", async () => {
        const looked = async (name: string): Promise<string> =>
            lab.on("client-2", "getent", "ahostsv4", name);
        const [, network] = /^(\d+\.\d+\.\d+)\./.exec(lab.stack.place.subnet)!;
        assert.ok((await looked("anything.service")).startsWith(`${network}.22 `));
        assert.match(await looked("consul.service.consul"), /^\d+\.\d+\.\d+\.1[123] /);
    });

    it("asks operators for a password and then for a token", async () => {
        for (const [api, path] of [
            ["consul", "/v1/agent/self"],
            ["nomad", "/v1/nodes"],
        ] as const) {
            const token: Record<string, string> =
                api === "consul"
                    ? { "x-consul-token": lab.environment("CONSUL_HTTP_TOKEN") }
                    : { "x-nomad-token": lab.environment("NOMAD_TOKEN") };
            assert.equal((await lab.operators(api, path)).status, 401, api);
            assert.equal((await lab.operators(api, path, token)).status, 401, api);
            assert.equal((await lab.operators(api, path, lab.password)).status, 403, api);
            assert.equal((await lab.operators(api, path, { ...lab.password, ...token })).status, 200, api);
        }
    });

    it("listens to HTTP of Consul and Nomad's servers on loopback alone", async () => {
        const listeners = async (machine: string): Promise<string[]> =>
            (await lab.on(machine, "ss", "--listening", "--tcp", "--numeric", "--no-header"))
                .split("\n")
                .map((line) => line.trim().split(/\s+/)[3] ?? "");
        for (const machine of machines) {
            const found = (await listeners(machine)).filter((each) => each.endsWith(":8500"));
            assert.deepEqual(found, ["127.0.0.1:8500"], machine);
        }
        for (const machine of servers) {
            const found = (await listeners(machine)).filter((each) => each.endsWith(":4646"));
            assert.deepEqual(found, ["127.0.0.1:4646"], machine);
        }
    });

    it("says nothing to an agent's caller without a token", async () => {
        assert.match(await lab.ask("client-1", "http://127.0.0.1:8500/v1/catalog/nodes"), /^\[\]\s+200$/);
        assert.match(
            await lab.ask("client-1", "http://127.0.0.1:8500/v1/kv/gatehouse/?recurse"),
            /\n(403|404)$/,
        );
        assert.match(
            await lab.on(
                "server-1",
                ...[
                    "curl",
                    "--silent",
                    "--cacert",
                    "/etc/nomad.d/tls/ca.pem",
                    "--write-out",
                    "\n%{http_code}",
                ],
                "https://127.0.0.1:4646/v1/jobs",
            ),
            /\n403$/,
        );
    });

    it("rolls new certificates out without replacing a machine and without a failed request", async () => {
        const before = await Promise.all(machines.map((machine) => lab.made(machine)));
        const certificate = (): Promise<string> => lab.on("server-2", "cat", "/etc/nomad.d/tls/agent.pem");
        const old = await certificate();
        await lab.losesNothing(() => lab.change({ certificates: { rotation: 2 } }));
        assert.notEqual(await certificate(), old);
        assert.deepEqual(await Promise.all(machines.map((machine) => lab.made(machine))), before);
        await lab.stack.previewsNothing();
    });

    it("takes a client in, and lets it go, without touching another machine", async () => {
        const before = await Promise.all(machines.map((machine) => lab.made(machine)));
        await lab.losesNothing(() => lab.change({ pools: { default: { count: 3 } } }));
        await lab.reaches("client-3", "helloworld");
        await lab.losesNothing(() => lab.change({ pools: undefined }));
        assert.deepEqual(await Promise.all(machines.map((machine) => lab.made(machine))), before);
        const members = async (): Promise<string> =>
            lab.on(
                "server-1",
                ...[
                    "sh",
                    "-c",
                    'CONSUL_HTTP_TOKEN="$1" consul members',
                    "sh",
                    lab.environment("CONSUL_HTTP_TOKEN"),
                ],
            );
        await eventually("client-3 has left", async () =>
            assert.doesNotMatch(await members(), /client-3 .* (alive|failed)/),
        );
    });

    it("leaves nothing", async () => {
        await lab.stack.must("down");
        lab.forget();
        assert.deepEqual(await lab.stack.inventory(), { containers: [], networks: [], volumes: [] });
        assert.deepEqual(lab.stack.stateFiles(), []);
    });
});

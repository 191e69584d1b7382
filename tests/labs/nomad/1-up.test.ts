import * as assert from "node:assert/strict";

import { docker } from "../../support/docker";
import { request } from "../../support/http";
import { lab, machine } from "../../support/nomad-lab";
import { eventually } from "../../support/poll";

describe("nomad lab: up from nothing", function () {
    this.timeout("30m"); // With a cold cache the set-up comes first.

    before("bring it up", () => lab.ensureUp());

    it("ends by saying where to look", async () => {
        const { output } = await lab.ensureUp();
        for (const name of ["webapp", "haproxyStats", "consul", "nomad", "dashboard"]) {
            assert.ok(
                output.includes(lab.outputs.urls[name] as string),
                `make up does not print urls.${name}`,
            );
        }
    });

    it("prints outputs without secrets unless asked", async () => {
        const { stdout } = await lab.stack.must("outputs");
        assert.ok(
            !stdout.includes(lab.environment("HAPROXY_STATS_PASSWORD")),
            "make outputs shows a password",
        );
        const outputs = JSON.parse(stdout) as typeof lab.outputs;
        assert.deepEqual(outputs.urls, lab.outputs.urls);
        assert.deepEqual(Object.keys(outputs.jobs).sort(), ["countdash", "demo-webapp", "haproxy"]);
        assert.deepEqual(
            outputs.machines.map(({ name }) => name),
            [machine],
        );
        const boot = outputs.machines[0]?.bootSeconds ?? 0;
        assert.ok(boot > 0 && boot < 120, `the machine says that it booted in ${boot} s`);
        assert.match(outputs.topology, /^flowchart /);
    });

    it("spreads requests evenly over three instances", async () => {
        await lab.balances(3);
        const shares = await lab.shares(30);
        assert.equal(shares.size, 3);
        for (const [instance, share] of shares) {
            assert.ok(share >= 9 && share <= 11, `${instance} answered ${share} of 30 requests`);
        }
    });

    it("greets as the document's application does, on each of its own ports", async () => {
        assert.equal((await lab.greeting()).message, "Hello from demo-webapp");
        const instances = await lab.healthy("demo-webapp");
        assert.equal(new Set(instances.map(({ port }) => port)).size, 3, "ports are dynamic");
        for (const { address, port } of instances) {
            const body = await lab.inside("curl", "--silent", "--fail", `http://${address}:${port}/`);
            assert.match(body, /^Hello from demo-webapp\n/);
        }
    });

    it("publishes on loopback only", async () => {
        const { containers } = await lab.stack.inventory();
        assert.ok(containers.includes(lab.machine), containers.join(", "));
        for (const container of containers) {
            const format =
                "{{range $port, $bindings := .NetworkSettings.Ports}}{{range $bindings}}{{.HostIp}} {{end}}{{end}}";
            const addresses = (await docker("inspect", "--format", format, container)).trim().split(/\s+/);
            assert.ok(
                addresses.filter((address) => address !== "").every((address) => address === "127.0.0.1"),
                `${container} listens on ${addresses.join(", ")}`,
            );
        }
    });

    it("labels everything that it makes with project and stack", async () => {
        const format =
            '{{index .Config.Labels "dev.gatehouse.project"}}/{{index .Config.Labels "dev.gatehouse.stack"}}';
        const { containers, networks, volumes } = await lab.stack.inventory();
        for (const container of containers) {
            assert.equal((await docker("inspect", "--format", format, container)).trim(), "gatehouse/e2e");
        }
        for (const network of networks) {
            const labels = await docker(
                "network",
                "inspect",
                "--format",
                format.replaceAll(".Config", ""),
                network,
            );
            assert.equal(labels.trim(), "gatehouse/e2e");
        }
        for (const volume of volumes) {
            const labels = await docker(
                "volume",
                "inspect",
                "--format",
                format.replaceAll(".Config", ""),
                volume,
            );
            assert.equal(labels.trim(), "gatehouse/e2e");
        }
        for (const name of [...containers, ...networks, ...volumes]) {
            assert.match(name, /^gatehouse-e2e(-|$)/);
        }
    });

    it("shows every service as healthy in Consul", async () => {
        for (const [service, count] of [
            ["demo-webapp", 3],
            ["haproxy", 1],
            ["count-api", 1],
            ["count-dashboard", 1],
            ["count-api-sidecar-proxy", 1],
            ["count-dashboard-sidecar-proxy", 1],
        ] as const) {
            await eventually(`${service} is healthy`, async () =>
                assert.equal((await lab.healthy(service)).length, count),
            );
        }
        const members = await lab.consul<{ Name: string; Status: number }[]>("/v1/agent/members");
        assert.deepEqual(
            members.map(({ Name, Status }) => [Name, Status]),
            [[machine, 1]],
        );
    });

    it("answers SRV questions through Consul's DNS", async () => {
        const question =
            "python3 - <<'E'\nimport socket,struct\nq=b'\\x12\\x34\\x01\\x00\\x00\\x01'+b'\\0'*6+b''.join(bytes([len(p)])+p.encode() for p in '_demo-webapp._tcp.service.consul'.split('.'))+b'\\0\\0\\x21\\0\\1'\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.settimeout(3);s.sendto(q,('127.0.0.1',8600))\nprint(struct.unpack('>H',s.recv(4096)[6:8])[0])\nE";
        // Over UDP a question may be lost.
        await eventually("the three are named", async () =>
            assert.equal((await lab.inside("bash", "-c", question)).trim(), "3"),
        );
    });

    it("shows the jobs as running and their deployments as successful in Nomad", async () => {
        for (const job of ["demo-webapp", "haproxy", "countdash"]) {
            const { Status } = await lab.nomad<{ Status: string }>(`/v1/job/${job}`);
            assert.equal(Status, "running", job);
            const deployment = await lab.nomad<{ Status: string } | null>(`/v1/job/${job}/deployment`);
            assert.equal(deployment?.Status, "successful", job);
        }
        const nodes = await lab.nomad<{ Name: string; Status: string }[]>("/v1/nodes");
        assert.deepEqual(
            nodes.map(({ Name, Status }) => [Name, Status]),
            [[machine, "ready"]],
        );
    });

    it("keeps HAProxy's statistics and metrics behind the password", async () => {
        const stats = lab.url("haproxyStats");
        for (const page of ["/", "/;csv", "/metrics"]) {
            assert.equal((await request(stats + page)).status, 401, `${page} without a password`);
            const wrong = await request(stats + page, { auth: "admin:wrong" });
            assert.equal(wrong.status, 401, `${page} with a wrong password`);
            assert.equal((await request(stats + page, { auth: lab.statsAuth })).status, 200, page);
        }
        assert.equal((await request(`${stats}/health`)).status, 200);
        assert.equal((await request(`${stats}/ready`)).status, 200);
    });

    it("exposes Prometheus metrics that count the requests, and no version", async () => {
        const total = async () => {
            const { body } = await request(`${lab.url("haproxyStats")}/metrics`, { auth: lab.statsAuth });
            const line = /^haproxy_frontend_http_requests_total\{proxy="http"\} (\d+)/m.exec(body);
            assert.ok(line, "haproxy_frontend_http_requests_total is missing");
            return Number(line[1]);
        };
        const before = await total();
        await lab.shares(5);
        await eventually("the metrics count five more requests", async () =>
            assert.ok((await total()) >= before + 5),
        );
        const { body } = await request(`${lab.url("haproxyStats")}/`, { auth: lab.statsAuth });
        assert.ok(!/version 2\.\d+\.\d+/.test(body), "the statistics page discloses HAProxy's version");
    });

    it("counts through the service mesh", async () => {
        await eventually("the count rises", async () => {
            const first = await lab.counter();
            const second = await lab.counter();
            assert.ok(first.reachable && second.reachable, `${first.error ?? second.error}`);
            assert.ok((second.count ?? 0) > (first.count ?? 0), `${first.count}, then ${second.count}`);
        });
    });

    it("plans nothing in a second preview", () => lab.stack.previewsNothing());
});

import * as assert from "node:assert/strict";

import { inside } from "../../support/docker";
import { getJson, request } from "../../support/http";
import { type LoadReport, withLoad } from "../../support/load";
import { eventually } from "../../support/poll";
import { lab } from "../../support/template-lab";

const pair = { web1: { port: 8001 }, web2: { port: 8002 } };

describe("template lab", function () {
    this.timeout("30m"); // With a cold cache the set-up comes first.

    before("bring it up", () => lab.ensureUp());

    const underLoad = async (action: () => Promise<unknown>): Promise<LoadReport> =>
        (await withLoad({ url: `${lab.url("webapp")}/`, rate: 100 }, action)).report;
    const assertNoneFailed = (report: LoadReport): void =>
        assert.equal(report.failed, 0, JSON.stringify(report, undefined, 2));

    it("ends by saying where to look, and balances over both instances", async () => {
        const { output } = await lab.ensureUp();
        for (const name of ["webapp", "haproxyStats", "consul"]) {
            assert.ok(output.includes(lab.url(name)), `make up does not print urls.${name}`);
        }
        await lab.answers("web1 web2");
        // What HAProxy took without a reload is written down after it.
        await lab.renders(["web1", "web2"]);
    });

    it("plans nothing in a second preview", () => lab.stack.previewsNothing());

    it("shows the statistics behind the password only, and hands no Docker socket to a container", async () => {
        const url = `${lab.url("haproxyStats")}/`;
        assert.equal((await request(url)).status, 401);
        assert.equal((await request(url, { auth: lab.statsAuth })).status, 200);
        const { containers } = await lab.stack.inventory();
        assert.ok(containers.length >= 6, containers.join(", "));
        for (const container of containers) {
            const mounts = await lab.docker("inspect", container.replace(lab.stack.object(""), ""));
            assert.doesNotMatch(mounts, /docker\.sock/, container);
        }
    });

    it("shows the guard's counters and state behind the same password, and nowhere else", async () => {
        const url = `${lab.url("haproxyStats")}/guard`;
        for (const page of ["metrics", "status"]) {
            assert.equal((await request(`${url}/${page}`)).status, 401, page);
            const elsewhere = await request(`${lab.url("webapp")}/guard/${page}`, {
                headers: { host: "gatehouse.guard.service" },
            });
            assert.doesNotMatch(elsewhere.body, /gatehouse_guard|last success/);
        }
        const metrics = await request(`${url}/metrics`, { auth: lab.statsAuth });
        assert.equal(metrics.status, 200);
        assert.match(String(metrics.headers["content-type"]), /^text\/plain; version=0\.0\.4/);
        // Not its reloads: HAProxy may have started after the first configuration was accepted.
        assert.match(metrics.body, /^gatehouse_guard_accepted_total [1-9]\d*$/m);
        assert.match(metrics.body, /^gatehouse_guard_reloads_total \d+$/m);
        assert.match(metrics.body, /^gatehouse_guard_failed_reloads_total 0$/m);
        assert.match(metrics.body, /^gatehouse_guard_held_services 0$/m);
        const status = await request(`${url}/status`, { auth: lab.statsAuth });
        assert.match(status.body, /^last success +(\d+ s ago|none yet)$/m);
        // HAProxy's own metrics stay where they were.
        const own = await request(`${lab.url("haproxyStats")}/metrics`, { auth: lab.statsAuth });
        assert.match(own.body, /^haproxy_/m);
        // Only HAProxy is answered where it asks; its neighbours are not.
        const [, address] = /server guard (\S+) /.exec(
            await inside(lab.stack.object("haproxy"), "cat", "/run/haproxy/haproxy.cfg"),
        )!;
        const answered =
            `require("http").get("http://${address}/guard/metrics", ({ statusCode }) => console.log(statusCode))` +
            `.on("error", () => console.log("refused"))`;
        assert.equal((await inside(lab.stack.object("monitor"), "node", "-e", answered)).trim(), "refused");
    });

    it("has both services in Consul's catalogue, passing", async () => {
        const entries = await getJson<{ Service: { ID: string; Port: number } }[]>(
            `${lab.url("consul").replace(/\/ui$/, "")}/v1/health/service/web?passing`,
        );
        const known = entries.map(({ Service }) => `${Service.ID}:${Service.Port}`).sort();
        assert.deepEqual(known, ["web1:8001", "web2:8002"]);
    });

    it("loses no request when one dies, answers 503 when both are dead, and recovers", async () => {
        const report = await underLoad(async () => {
            await lab.docker("kill", "web1");
            await lab.answers("web2");
            await lab.renders(["web2"]);
        });
        assertNoneFailed(report);
        await lab.docker("kill", "web2");
        await lab.answers("status 503");
        await lab.renders([]);
        const { body } = await request(lab.url("webapp"));
        assert.match(body, /No healthy instance can answer/);
        await lab.docker("start", "web1", "web2");
        await lab.answers("web1 web2");
    });

    it("goes on while Consul is away, and follows it when it is back", async () => {
        const report = await underLoad(async () => {
            await lab.docker("stop", "consul");
            const end = Date.now() + 8000;
            await eventually("eight seconds without Consul have passed", async () => {
                assert.equal(await lab.used(), "web1 web2");
                assert.ok(Date.now() > end);
            });
            await lab.docker("kill", "--signal=KILL", "haproxy-templater").catch(() => undefined);
            await lab.docker("start", "haproxy-templater").catch(() => undefined);
            await lab.docker("start", "consul");
            await eventually("Consul leads again", async () =>
                assert.match(
                    await getJson<string>(`${lab.url("consul").replace(/\/ui$/, "")}/v1/status/leader`),
                    /:8300$/,
                ),
            );
            await lab.docker("stop", "web2");
            await lab.answers("web1");
            await lab.docker("start", "web2");
            await lab.answers("web1 web2");
        });
        assertNoneFailed(report);
    });

    it("adds and removes an instance under load", async () => {
        const report = await underLoad(async () => {
            await lab.change({ instances: { ...pair, web3: { port: 8003 } } });
            await lab.answers("web1 web2 web3");
            await lab.change({ instances: pair });
            await lab.answers("web1 web2");
        });
        assertNoneFailed(report);
        await lab.stack.previewsNothing();
    });

    it("replaces only the templater when its settings change, and traffic goes on", async () => {
        const started = (name: string): Promise<string> =>
            inside(lab.stack.object(name), "cat", "/proc/1/stat").then((text) => text.split(" ")[21] ?? "");
        const before = await started("haproxy");
        const templater = await started("haproxy-templater");
        const report = await underLoad(() => lab.change({ guard: { hold: "30s" } }));
        assertNoneFailed(report);
        assert.equal(await started("haproxy"), before);
        assert.notEqual(await started("haproxy-templater"), templater);
        await lab.answers("web1 web2");
    });

    it("changes the discovery under load, in every form, and replaces only the templater", async () => {
        const started = (): Promise<string> =>
            inside(lab.stack.object("haproxy"), "cat", "/proc/1/stat").then(
                (text) => text.split(" ")[21] ?? "",
            );
        const shown = async (path: string): Promise<number> =>
            (await request(`${lab.url("haproxyStats")}${path}`, { auth: lab.statsAuth })).status;
        const before = await started();
        const forms = { events: /server-template .* disabled$/m, dns: /server-template .* resolvers consul/ };
        for (const discovery of ["events", "dns", undefined] as const) {
            const report = await underLoad(async () => {
                // The guard's settings of the test before are not for DNS.
                await lab.change({ discovery, guard: undefined });
                // Until the new templater has rendered its own, the configuration before answers, and is ready, too.
                await eventually("HAProxy is told so", async () => {
                    const text = await inside(lab.stack.object("haproxy"), "cat", "/run/haproxy/haproxy.cfg");
                    for (const [form, pattern] of Object.entries(forms)) {
                        assert.equal(pattern.test(text), form === discovery, `${form}:\n${text}`);
                    }
                });
                await lab.answers("web1 web2");
                await eventually("HAProxy is ready, and shows its pages", async () => {
                    assert.equal((await request(`${lab.url("haproxyStats")}/ready`)).status, 200);
                    for (const path of ["/", "/metrics", "/guard/status"]) {
                        assert.equal(await shown(path), 200, path);
                    }
                });
                await lab.docker("kill", "web1");
                await lab.answers("web2");
                await lab.docker("start", "web1");
                await lab.answers("web1 web2");
                if (discovery === "events") {
                    const url = `${lab.url("haproxyStats")}/discovery`;
                    assert.equal((await request(url)).status, 401);
                    assert.equal(await shown("/discovery"), 200);
                    await eventually("two slots are used", async () => {
                        const { body } = await request(`${url}/metrics`, { auth: lab.statsAuth });
                        assert.match(body, /^gatehouse_discovery_slots_used\{service="web"\} 2$/m);
                        assert.match(body, /^gatehouse_discovery_slots\{service="web"\} 16$/m);
                    });
                }
            });
            assertNoneFailed(report);
            await lab.stack.previewsNothing();
        }
        assert.equal(await started(), before);
        await lab.renders(["web1", "web2"]);
    });

    it("comes back from restarts of its containers in any order", async () => {
        const all = ["consul", "monitor", "haproxy", "haproxy-templater", "web1", "web2"];
        for (const order of [all, [...all].reverse()]) {
            await lab.docker("kill", ...order);
            for (const container of order) {
                await lab.docker("start", container);
            }
            await lab.answers("web1 web2", 60);
        }
    });
});

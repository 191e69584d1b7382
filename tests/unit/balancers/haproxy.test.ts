import * as assert from "node:assert/strict";

import { FakeConsul } from "../../support/fake-consul";
import { section } from "./configuration";
import { checkConfiguration } from "./container";
import { buildImages, removeImages } from "./image";
import { defaultItems, renderHaproxy } from "./render";

const render = (items: Record<string, string> = {}): Promise<string> =>
    renderHaproxy({ items: { ...defaultItems, ...items } });

describe("haproxy.cfg as Nomad renders it", function () {
    this.timeout("2m");
    before(() => buildImages("haproxy"));
    after(() => removeImages("haproxy"));

    it("is accepted by HAProxy without a warning", async () => {
        const settings: Record<string, string>[] = [
            {},
            { log: "all" },
            { slots: "256", health_path: "/" },
            { discovery: "events" },
            { discovery: "events", log: "all" },
        ];
        for (const items of settings) {
            const { code, output } = await checkConfiguration(await render(items));
            assert.equal(code, 0, output);
            assert.doesNotMatch(output, /WARNING|ALERT/);
        }
    });

    it("is refused by HAProxy when a setting makes no sense", async () => {
        assert.notEqual((await checkConfiguration(await render({ slots: "0" }))).code, 0);
    });

    it("has the slots, the health check and the credentials of the variable", async () => {
        const configuration = await render({ slots: "32", health_path: "/up", stats_password: "p-1" });
        const backend = section(configuration, "backend webapp");
        assert.ok(
            backend.some((line) =>
                line.startsWith("server-template webapp 32 _demo-webapp._tcp.service.consul "),
            ),
        );
        assert.ok(backend.includes("option httpchk GET /up"));
        assert.deepEqual(section(configuration, "userlist operators"), ["user admin insecure-password p-1"]);
    });

    it("takes a PROXY header from those who send one, and from nobody else", async () => {
        assert.ok(!section(await render(), "frontend http").some((line) => line.includes("expect-proxy")));
        const proxySources = ["192.168.255.0/24", "10.0.0.0/8"];
        const configuration = await renderHaproxy({ items: defaultItems, proxySources });
        assert.equal(
            section(configuration, "frontend http")[1],
            "tcp-request connection expect-proxy layer4 if { src 192.168.255.0/24 10.0.0.0/8 }",
        );
        const { code, output } = await checkConfiguration(configuration);
        assert.equal(code, 0, output);
        assert.doesNotMatch(output, /WARNING|ALERT/);
    });

    it("asks Consul over TCP, with room for every instance", async () => {
        const resolvers = section(await render(), "resolvers consul");
        assert.ok(resolvers.includes("nameserver consul tcp@127.0.0.1:8600"));
        assert.ok(resolvers.includes("accepted_payload_size 65535"));
        assert.ok(resolvers.includes("hold obsolete 0s"));
    });

    it("keeps what the resolver knows for as long as it is told to", async () => {
        const items = { hold_obsolete: "1500ms", hold_nx: "0ms", hold_other: "60000ms" };
        const configuration = await render(items);
        assert.deepEqual(
            section(configuration, "resolvers consul").filter((line) => line.startsWith("hold ")),
            [
                "hold obsolete 1500ms",
                "hold nx 0ms",
                "hold timeout 30s",
                "hold refused 30s",
                "hold other 60000ms",
            ],
        );
        const { code, output } = await checkConfiguration(configuration);
        assert.equal(code, 0, output);
        assert.doesNotMatch(output, /WARNING|ALERT/);
    });

    it("asks no name server where Lua follows Consul", async () => {
        const configuration = await render({ discovery: "events", slots: "32" });
        assert.doesNotMatch(configuration, /resolvers/);
        assert.ok(
            section(configuration, "backend webapp").includes(
                "server-template webapp 32 127.0.0.1:1 disabled",
            ),
        );
    });

    it("renders a server for each instance that passes where Nomad follows Consul", async () => {
        const consul = await FakeConsul.start();
        try {
            consul.has({ port: 8001 }, { port: 8002, status: "critical" }, { port: 8003, status: "warning" });
            const configuration = await renderHaproxy({
                items: { ...defaultItems, discovery: "template" },
                consul: consul.url,
            });
            assert.doesNotMatch(configuration, /resolvers|lua|server-template/);
            assert.deepEqual(
                section(configuration, "backend webapp").filter((line) => line.startsWith("server ")),
                ["server web-8001 127.0.0.1:8001", "server web-8003 127.0.0.1:8003"],
            );
            const { code, output } = await checkConfiguration(configuration);
            assert.equal(code, 0, output);
            assert.doesNotMatch(output, /WARNING|ALERT/);
        } finally {
            await consul.stop();
        }
    });

    it("logs every request only when asked to", async () => {
        assert.ok(section(await render(), "defaults").includes("option dontlog-normal"));
        assert.ok(!section(await render({ log: "all" }), "defaults").includes("option dontlog-normal"));
    });

    it("stays below 20,000 file descriptors, two a connection", async () => {
        const maxconn = section(await render(), "global").find((line) => line.startsWith("maxconn "));
        assert.ok(Number(maxconn?.split(" ")[1]) * 2 < 20_000, maxconn);
    });
});

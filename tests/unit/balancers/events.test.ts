import * as assert from "node:assert/strict";
import * as http from "node:http";

import { FakeConsul, type FakeInstance } from "../../support/fake-consul";
import { eventually } from "../../support/poll";
import { get } from "../apps/http";
import { authority } from "../clusters/secure-consul";
import { type Identity, Pki } from "../plugins/tls/pki";
import { RunningHaproxy } from "./container";
import { buildImages, removeImages } from "./image";
import { defaultItems, renderHaproxy } from "./render";
import { password, Scene } from "./scene";

/** Seconds: HAProxy's question ends by itself, and is asked again, only after ten. */
const soon = 5;

/** What HAProxy makes of Consul's answers, right and wrong ones. */
describe("discovery by events", function () {
    this.timeout("2m");
    let consul: FakeConsul;
    let haproxy: RunningHaproxy | undefined;
    let scene: Scene;

    before(() => buildImages("haproxy"));
    after(() => removeImages("haproxy"));
    beforeEach(async () => {
        consul = await FakeConsul.start();
        scene = await Scene.open("a", "b", "c");
    });
    afterEach(async () => {
        await haproxy?.remove();
        haproxy = undefined;
        await scene.close();
        await consul.stop();
    });

    const instance = (name: string, more: Partial<FakeInstance> = {}): FakeInstance => ({
        port: scene.portOf(name),
        ...more,
    });

    const render = (slots = 4): Promise<string> =>
        renderHaproxy({
            items: { ...defaultItems, discovery: "events", slots: String(slots), stats_password: password },
            ports: scene.ports,
        });

    /** Many that nobody needs to reach, each described at the length that Consul takes for one with its checks. */
    const crowd = (count: number): FakeInstance[] =>
        Array.from({ length: count }, (_, n) => ({
            port: 20_000 + n,
            address: "127.0.0.9",
            meta: { description: "x".repeat(1300) },
        }));

    interface Options {
        /** Of the configuration that the lab has. */
        edit?: (configuration: string) => string;
        near?: string;
        caPem?: string;
        slots?: number;
        hold?: number;
        patience?: number;
        token?: string;
        serverName?: string;
        tag?: string;
        datacenter?: string;
    }

    async function start({
        edit = (configuration) => configuration,
        near,
        caPem,
        slots,
        hold = 60,
        patience = 5,
        token,
        serverName,
        tag,
        datacenter,
    }: Options = {}): Promise<RunningHaproxy> {
        const discovery = {
            consul: { url: consul.url, token, serverName },
            services: [{ name: "demo-webapp", backend: "webapp", tag, datacenter, near }],
            guard: { minimumShare: 0.5, hold },
            patience,
        };
        haproxy = await RunningHaproxy.start(edit(await render(slots)), discovery, caPem);
        await eventually("HAProxy is alive", async () =>
            assert.equal((await scene.stats("/health")).status, 200),
        );
        return haproxy;
    }

    /** One of the module's own figures for the service, of a kind if it has kinds. */
    async function metric(name: string, kind?: string): Promise<number> {
        const { body } = await scene.stats("/discovery/metrics");
        const labels = `service="demo-webapp"${kind === undefined ? "" : `,kind="${kind}"`}`;
        const start = `gatehouse_discovery_${name}{${labels}} `;
        const line = body.split("\n").find((each) => each.startsWith(start));
        assert.ok(line, `${start}is not among\n${body}`);
        return Number(line.slice(start.length));
    }

    it("follows instances that come, go and fail, and says why in its log", async () => {
        consul.has(instance("a"));
        const running = await start();
        assert.equal(await scene.used(), "a");
        consul.has(instance("a"), instance("b"));
        await scene.answers("a b", { within: soon });
        consul.has(instance("a", { status: "critical" }), instance("b"));
        await scene.answers("b", { within: soon });
        consul.has(instance("a", { status: "warning" }), instance("b"));
        await scene.answers("a b", { within: soon });
        consul.has(instance("a"));
        await scene.answers("a", { within: soon });
        consul.has(instance("a", { status: "critical" }));
        await scene.answers("status 503", { within: soon });
        const [a, b] = ["a", "b"].map((name) => `127.0.0.1:${scene.portOf(name)}`);
        const lines = [
            `${a} to webapp1, passing, weight 1`,
            `${a} from webapp1, critical`,
            `${a} to webapp1, warning again, weight 1`,
            `${b} from webapp2, gone`,
        ];
        await eventually("its log says so", async () => {
            const said = await running.log();
            for (const line of lines) {
                assert.ok(said.includes(`discovery: demo-webapp: ${line}`), `${line}\n${said}`);
            }
        });
        assert.doesNotMatch(await running.log(), /HTTPCLIENT.*GET/);
    });

    it("asks with its token, for its tag and datacenter, and holds one question open at a time", async () => {
        consul.has(instance("a", { tags: ["routed"] }), instance("b"));
        await start({ token: "the-token", tag: "routed", datacenter: "dc2" });
        assert.equal(await scene.used(), "a");
        await eventually("it asks for what comes next", () => {
            const last = consul.questions.at(-1)!;
            assert.equal(last.pathname, "/v1/health/service/demo-webapp");
            assert.deepEqual(
                ["index", "tag", "dc", "wait"].map((name) => last.searchParams.get(name)),
                ["101", "routed", "dc2", "5s"],
            );
        });
        const asked = consul.questions.length;
        assert.ok(asked <= 3, String(asked));
        assert.deepEqual([...new Set(consul.tokens)], ["the-token"]);
    });

    it("weighs instances as Consul does, and by their share where HAProxy's weights end", async () => {
        consul.has(
            instance("a", { weights: { Passing: 512, Warning: 1 } }),
            instance("b", { weights: { Passing: 128, Warning: 1 } }),
            instance("c", { status: "warning", weights: { Passing: 512, Warning: 2 } }),
        );
        await start();
        // One request in 321 is c's.
        await scene.answers("a b c", { within: 60 });
        const { body } = await scene.stats("/;csv");
        const rows = body.split("\n").filter((line) => /^webapp,webapp\d/.test(line));
        const weight = (body.split("\n")[0] ?? "").replace(/^# /, "").split(",").indexOf("weight");
        assert.deepEqual(
            rows.map((row) => Number(row.split(",")[weight])),
            [256, 64, 1, 1],
        );
    });

    it("reads an answer of more than a megabyte", async () => {
        consul.has(instance("a"));
        await start({ slots: 900 });
        await scene.answers("a");
        consul.has(...crowd(800), instance("a"));
        await eventually("all are taken", async () => assert.equal(await metric("slots_used"), 801));
        assert.equal(await metric("unplaced"), 0);
    });

    it("lets requests that come first wait for the first state", async () => {
        consul.says({ status: 500 });
        await start({ patience: 30 });
        const asked = scene.visit();
        await eventually("Consul has been asked", () => assert.ok(consul.questions.length > 1));
        consul.has(instance("a"));
        consul.says(undefined);
        const { status, headers } = await asked;
        assert.deepEqual([status, headers["x-instance"]], [200, "a"]);
    });

    it("does not let them wait for ever", async () => {
        await consul.stop();
        await start({ patience: 1 });
        assert.equal((await scene.visit()).status, 503);
    });

    const nonsense: [what: string, kind: string, said: Parameters<FakeConsul["says"]>[0]][] = [
        ["an error", "status", { status: 500, body: "No cluster leader" }],
        ["that the token is none", "forbidden", { status: 403, body: "ACL not found" }],
        [
            "less than there is to a token that may not see it",
            "forbidden",
            { body: "[]", headers: { "X-Consul-Results-Filtered-By-ACLs": "true" } },
        ],
        ["what is no JSON", "answer", { body: "<html>" }],
        ["what is no list", "answer", { body: '{"a": 1}' }],
        ["an empty object", "answer", { body: "{}" }],
        ["a list of something else", "answer", { body: "[1, 2]" }],
        [
            "instances that are nowhere",
            "answer",
            { body: JSON.stringify([{ Node: {}, Service: { Address: "", Port: 80 }, Checks: [] }]) },
        ],
        ["without an index", "answer", { body: "[]", headers: { "X-Consul-Index": "none" } }],
    ];
    for (const [what, kind, said] of nonsense) {
        it(`keeps what was there when Consul answers ${what}`, async () => {
            consul.has(instance("a"), instance("b"));
            await start();
            await scene.answers("a b");
            consul.says(said);
            await eventually("the error is counted", async () =>
                assert.ok((await metric("errors_total", kind)) > 0),
            );
            assert.equal(await scene.used(), "a b");
            assert.match((await scene.stats("/discovery")).body, /what was there stays/);
            consul.has(instance("c"), instance("b"));
            consul.says(undefined);
            await scene.answers("b c", { within: 30 });
        });
    }

    it("keeps what was there while Consul is away, and asks less and less often", async () => {
        consul.has(instance("a"), instance("b"));
        await start();
        await scene.answers("a b");
        await consul.stop();
        await eventually("it notices", async () =>
            assert.ok((await metric("errors_total", "unreachable")) > 2),
        );
        assert.equal(await scene.used(), "a b");
        assert.ok((await metric("age_seconds")) > 0);
        await consul.goOn();
        consul.has(instance("c"), instance("a"));
        await scene.answers("a c", { within: 30 });
    });

    it("begins anew when Consul's index goes backwards", async () => {
        consul.has(instance("a"));
        await start();
        await scene.answers("a");
        consul.startOver();
        await eventually("it has asked without an index", () =>
            assert.ok(consul.questions.slice(2).some((each) => each.searchParams.get("index") === "0")),
        );
        consul.has(instance("a"), instance("b"));
        await scene.answers("a b", { within: soon });
    });

    it("holds an answer back that takes most instances away while they answer, for a time", async () => {
        consul.has(instance("a"), instance("b"), instance("c"));
        await start({ hold: 10 });
        await scene.answers("a b c");
        consul.has(instance("a"));
        await eventually("it is held", async () => assert.equal(await metric("held"), 1));
        assert.equal(await scene.used(), "a b c");
        await scene.answers("a");
        assert.equal(await metric("held"), 0);
        assert.equal(await metric("holds_total"), 1);
    });

    it("believes it at once of instances that do not answer", async () => {
        consul.has(instance("a"), instance("b"), instance("c"));
        await start();
        await scene.answers("a b c");
        scene.killInstance("b");
        scene.killInstance("c");
        await scene.answers("a");
        consul.has(instance("a"));
        await eventually("their servers are free", async () => assert.equal(await metric("slots_used"), 1));
        assert.equal(await metric("held"), 0);
    });

    it("says loudly that no server is left, and gives the next free one away", async () => {
        consul.has(instance("a"), instance("b"), instance("c"));
        const running = await start({ slots: 2 });
        await scene.answers("a b");
        assert.equal(await metric("unplaced"), 1);
        await eventually("its log says so", async () =>
            assert.match(await running.log(), /\[alert\].*no server is left for 1 instances/i),
        );
        assert.match((await scene.stats("/discovery")).body, /No server is left for 1 instances/);
        consul.has(instance("b"), instance("c"));
        await scene.answers("b c", { within: soon });
        assert.equal(await metric("unplaced"), 0);
    });

    it("forgets no server in a reload, nor when it starts again, though Consul is away", async () => {
        consul.has(instance("a"), instance("b"));
        const running = await start();
        await scene.answers("a b");
        await consul.stop();
        await scene.losesNothing(async () => {
            for (const slots of [8, 4]) {
                const { code, output } = await running.reload(await render(slots));
                assert.equal(code, 0, output);
            }
        });
        assert.equal(await scene.used(), "a b");
        await running.restart();
        await scene.answers("a b", { within: 30 });
        assert.match((await scene.stats("/discovery")).body, /the servers of before/);
    });

    it("lets a request finish whose instance goes", async () => {
        let take: (response: http.ServerResponse) => void;
        const begun = new Promise<http.ServerResponse>((resolve) => (take = resolve));
        const slow = http.createServer((request, response) => {
            if (request.url === "/slow") {
                take(response);
            } else {
                response.end();
            }
        });
        const port = await new Promise<number>((resolve) =>
            slow.listen(0, "127.0.0.1", () => resolve((slow.address() as { port: number }).port)),
        );
        try {
            consul.has({ port });
            await start();
            const asked = fetch(`http://127.0.0.1:${scene.ports.http}/slow`).then((answer) => answer.text());
            const response = await begun;
            consul.has(instance("a"), { port, status: "critical" });
            await scene.answers("a", { within: soon });
            response.end("finished");
            assert.equal(await asked, "finished");
        } finally {
            slow.close();
            slow.closeAllConnections();
        }
    });

    it("prefers the instances of a node where that is asked for", async () => {
        const template = /server-template webapp (\d+) (.*)/;
        consul.has(instance("a", { node: "here" }), instance("b", { node: "there" }));
        await start({
            near: "here",
            edit: (configuration) => {
                assert.match(configuration, template);
                return configuration.replace(
                    template,
                    "server-template near $1 $2\nserver-template far $1 $2 backup",
                );
            },
        });
        await scene.answers("a");
        consul.has(instance("a", { node: "here", status: "critical" }), instance("b", { node: "there" }));
        await scene.answers("b", { within: soon });
        consul.has(instance("c", { node: "here" }), instance("b", { node: "there" }));
        await scene.answers("c", { within: soon });
    });

    it("keeps a visitor at an instance that moves to another server", async () => {
        consul.has(instance("a"), instance("b"), instance("c"));
        const cookies = "dynamic-cookie-key lab\ncookie VISIT insert indirect nocache dynamic\n$&";
        await start({ edit: (configuration) => configuration.replace(/server-template webapp/, cookies) });
        await scene.answers("a b c");
        const visit = async (cookie?: string): Promise<{ who: string; cookie: string | undefined }> => {
            const headers = cookie === undefined ? {} : { headers: { cookie } };
            const answer = await get(`http://127.0.0.1:${scene.ports.http}/`, headers);
            const set = answer.headers["set-cookie"]?.find((each) => each.startsWith("VISIT="));
            return { who: String(answer.headers["x-instance"]), cookie: set?.split(";")[0] };
        };
        const first = await visit();
        assert.ok(first.cookie);
        const server = async (): Promise<string | undefined> =>
            new RegExp(`<td>(\\w+)</td><td>127\\.0\\.0\\.1:${scene.portOf(first.who)}</td>`).exec(
                (await scene.stats("/discovery")).body,
            )?.[1];
        const before = await server();
        const others = ["a", "b", "c"].filter((each) => each !== first.who);
        await scene.startInstances("d", "e");
        // Of four servers its own is given to somebody else, and it comes back at another.
        for (const there of [
            [...others, "d", first.who],
            [...others, "d"],
            [...others, "d", "e"],
            [...others, "e"],
            [...others, "e", first.who],
        ]) {
            consul.has(...there.map((name) => instance(name)));
            await scene.answers([...there].sort().join(" "), { within: soon });
        }
        assert.notEqual(await server(), before);
        for (let request = 0; request < 8; request++) {
            assert.equal((await visit(first.cookie)).who, first.who);
        }
    });

    describe("over TLS", () => {
        let pki: Pki;
        let lab: Identity;

        before(async () => {
            pki = await Pki.start();
            lab = await authority(pki);
        });
        after(() => pki.close());

        const verified = (configuration: string): string =>
            configuration.replace(/^global$/m, "$&\nhttpclient.ssl.ca-file /secrets/ca.pem");
        const over = async (ca: Identity, names: string[]): Promise<void> => {
            await consul.stop();
            const identity = await pki.sign(ca, await pki.key({ algorithm: "ECDSA", ecdsaCurve: "P256" }), {
                subject: { commonName: "consul" },
                dnsNames: names,
                ipAddresses: ["127.0.0.1"],
            });
            consul = await FakeConsul.start(identity);
            consul.has(instance("a"));
        };

        const serverName = "server.dc1.consul";
        const secured = (): Options => ({ caPem: lab.cert, edit: verified, token: "the-token", serverName });

        it("follows a Consul whose certificate is the authority's", async () => {
            await over(lab, [serverName]);
            await start({ ...secured(), slots: 900 });
            await scene.answers("a");
            assert.deepEqual([...new Set(consul.tokens)], ["the-token"]);
            consul.has(...crowd(800), instance("b"));
            await eventually("all are taken", async () => assert.equal(await metric("slots_used"), 801));
        });

        const impostors: [who: string, ca: () => Promise<Identity>, name: string][] = [
            ["another authority has signed", () => authority(pki), serverName],
            ["the certificate is a client's", () => Promise.resolve(lab), "client.dc1.consul"],
        ];
        for (const [who, ca, name] of impostors) {
            it(`keeps its token to itself where ${who}`, async () => {
                await over(await ca(), [name]);
                await start({ ...secured(), patience: 1 });
                await eventually("it is counted", async () =>
                    assert.ok((await metric("errors_total", "unreachable")) > 1),
                );
                assert.equal((await scene.visit()).status, 503);
                assert.deepEqual(consul.tokens, []);
            });
        }
    });
});

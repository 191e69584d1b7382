import * as assert from "node:assert/strict";
import { createHash } from "node:crypto";

import {
    balancerSettings,
    nodeBalancer,
    type NodeBalancerArgs,
    type OperatorsEndpointArgs,
} from "../../../components/balancers/node-balancer";
import { imageReference } from "../../../toolchain/images";
import { type Agent, startConsul } from "../../support/agents";
import { run } from "../../support/command";
import { forgetAll, type Instance, register, render, section, servers } from "./node-catalogue";
import { balancerArgs, consulToken, makePki, operatorsArgs, Root } from "./node-files";

describe("a node's haproxy.cfg, rendered from Consul's catalogue", function () {
    this.timeout("2m");
    let consul: Agent;
    let root: Root;
    let operators: OperatorsEndpointArgs;

    before(async () => {
        consul = await startConsul();
        root = new Root();
        operators = operatorsArgs(await makePki());
        root.take(nodeBalancer(balancerArgs({ operators })));
    });
    after(async () => {
        root?.remove();
        await consul?.stop();
    });
    afterEach(() => forgetAll(consul.address));

    async function rendered(instances: Instance[], change: Partial<NodeBalancerArgs> = {}): Promise<string> {
        await register(consul.address, ...instances);
        return render(consul.address, balancerArgs(change));
    }

    /** HAProxy of the machine itself has nothing to say against it. */
    async function accepted(configuration: string): Promise<void> {
        root.write("check/haproxy.cfg", configuration);
        const script = [
            "mkdir -p /run/haproxy; echo 1 > /run/haproxy/servers; cp /root/check/haproxy.cfg /run/haproxy/",
            ". /usr/local/lib/gatehouse/haproxy-common; put_beside /run/haproxy/haproxy.cfg",
            "haproxy -c -f /run/haproxy/haproxy.cfg",
        ];
        const folders = ["/etc/haproxy", "/usr/local/lib/gatehouse"];
        const { code, output } = await run("docker", [
            ...["run", "--rm", "--network", "none", "--volume", `${root.folder}:/root:ro`],
            ...folders.map((folder) => `--volume=${root.folder}${folder}:${folder}:ro`),
            ...["--entrypoint", "/bin/sh", imageReference("machine-routed"), "-c", script.join("\n")],
        ]);
        assert.equal(code, 0, `${output}\n${configuration}`);
        assert.doesNotMatch(output, /WARNING|ALERT/, output);
    }

    const routed = ["routed"];
    const events = { discovery: "events" } as const;

    /** What Lua is told. */
    function told(configuration: string): {
        consul: object;
        services: { name: string; backend: string; tag: string; near?: string }[];
    } {
        const lines = [...configuration.matchAll(/^#discovery (.*)$/gm)].map(([, text]) => text);
        return JSON.parse(lines.join("\n"));
    }

    it("takes a PROXY header on port 80 from those who send one, and from nobody else", async () => {
        const instance = { service: "web", id: "a", tags: routed };
        assert.doesNotMatch(await rendered([instance]), /expect-proxy/);
        const configuration = await rendered([instance], { proxySources: ["192.168.255.0/24"] });
        const expected = "tcp-request connection expect-proxy layer4 if { src 192.168.255.0/24 }";
        assert.deepEqual(
            configuration.match(/^.*expect-proxy.*$/gm)?.map((line) => line.trim()),
            [expected],
        );
        assert.ok(section(configuration, "frontend http").includes(expected));
        await accepted(configuration);
    });

    it("has the services whose instances are tagged, each with those that pass, and no other", async () => {
        const configuration = await rendered([
            { service: "web", id: "a", tags: routed },
            { service: "web", id: "b", tags: [...routed, "v2"], node: "node-1", port: 8081 },
            { service: "web", id: "untagged" },
            { service: "web", id: "ill", tags: routed, status: "critical" },
            { service: "api", id: "c", tags: routed, status: "critical" },
            { service: "hidden", id: "d" },
            { service: "web-sidecar-proxy", id: "e", tags: routed },
        ]);
        assert.deepEqual(servers(configuration, "backend web"), ["b 10.218.0.21:8081", "a 10.218.0.22:8080"]);
        assert.deepEqual(servers(configuration, "backend api"), []);
        assert.match(configuration, /^#guard list services known 2$/m);
        assert.match(configuration, /^#guard service web known 3 passing 2$/m);
        assert.match(configuration, /^#guard service api known 1 passing 0$/m);
        assert.doesNotMatch(configuration, /hidden|sidecar|untagged|left out/);
        await accepted(configuration);
    });

    it("is accepted without a service, with the operators' endpoint, and without a password", async () => {
        for (const change of [{}, events, { operators }, { ...events, operators }, { stats: undefined }]) {
            const configuration = await rendered([], change);
            assert.match(configuration, /^#guard list services known 0$/m);
            // There is nobody to wait for.
            assert.doesNotMatch(configuration, /discovery-ready/);
            await accepted(configuration);
        }
    });

    it("says which settings it is made of", async () => {
        const text = JSON.stringify(balancerSettings(balancerArgs()));
        const digest = createHash("sha256").update(text).digest("hex");
        assert.match(await rendered([]), new RegExp(`^# settings ${digest}$`, "m"));
    });

    it("does not depend on the order in which services came", async () => {
        const instances: Instance[] = ["b", "a", "c"].flatMap((service) =>
            ["2", "1"].map((id) => ({ service, id: `${service}${id}`, tags: [`check=/${id}`, ...routed] })),
        );
        const first = await rendered(instances);
        await forgetAll(consul.address);
        assert.equal(await rendered(instances.reverse()), first);
    });

    it("asks for a page where a tag says so, and for a connection elsewhere", async () => {
        const configuration = await rendered([
            { service: "web", id: "a", tags: [...routed, "check=/health"] },
            { service: "plain", id: "b", tags: [...routed, "check=/x y\n"] },
        ]);
        assert.ok(section(configuration, "backend web").includes("option httpchk GET /health"));
        assert.ok(!section(configuration, "backend plain").some((line) => line.includes("httpchk")));
        await accepted(configuration);
    });

    it("gives a service its own port where a tag says so, on the node's address alone", async () => {
        const configuration = await rendered([
            { service: "db", id: "a", tags: [...routed, "tcp=5432"] },
            { service: "web", id: "w", tags: routed },
        ]);
        const listen = section(configuration, "listen tcp.db");
        assert.equal(listen[0], "bind 10.218.0.21:5432");
        assert.deepEqual(servers(configuration, "listen tcp.db"), ["a 10.218.0.22:8080"]);
        assert.doesNotMatch(configuration, /^backend db$/m);
        assert.match(configuration, /^#guard service db known 1 passing 1$/m);
        await accepted(configuration);
    });

    it("leaves services out whose port is not theirs to have, and says which and why", async () => {
        const ports = {
            low: "22",
            http: "80",
            stats: "1936",
            consul: "8500",
            dynamic: "20001",
            text: "x",
            none: "",
        };
        const configuration = await rendered([
            ...Object.entries(ports).map(([service, port]) => ({
                service,
                id: service,
                tags: [...routed, `tcp=${port}`],
            })),
            { service: "a-first", id: "1", tags: [...routed, "tcp=7000"] },
            { service: "b-second", id: "2", tags: [...routed, "tcp=7000"] },
            { service: "here", id: "3", tags: [...routed, "tcp=7001"], node: "node-1", port: 7001 },
            { service: "there", id: "4", tags: [...routed, "tcp=7002"], node: "node-2", port: 7002 },
        ]);
        const leftOut = [...configuration.matchAll(/^# left out: (\S+): (.+)$/gm)].map(
            ([, name, why]) => `${name}: ${why}`,
        );
        const noPort = "its tag tcp=PORT has no port from 1024 to 19999";
        assert.deepEqual(leftOut, [
            "b-second: port 7000 belongs to a-first",
            "consul: port 8500 is not for services",
            "dynamic: port 20001 is not for services",
            "here: its instance on this node has port 7001 itself",
            `http: ${noPort}`,
            `low: ${noPort}`,
            `none: ${noPort}`,
            "stats: port 1936 is not for services",
            `text: ${noPort}`,
        ]);
        assert.deepEqual(
            [...configuration.matchAll(/^listen (\S+)$/gm)].map(([, name]) => name),
            ["tcp.a-first", "tcp.there"],
        );
        assert.match(configuration, /gatehouse_services\{state=\\"routed\\"\} 2\\n/);
        assert.match(configuration, /gatehouse_services\{state=\\"left_out\\"\} 9\\n/);
        await accepted(configuration);
    });

    it("prefers this node's instances only when asked to", async () => {
        const instances: Instance[] = [
            { service: "web", id: "far", tags: routed },
            { service: "web", id: "near", tags: routed, node: "node-1" },
        ];
        const fair = await rendered(instances);
        assert.deepEqual(servers(fair, "backend web"), ["near 10.218.0.21:8080", "far 10.218.0.22:8080"]);
        const preferring = await render(consul.address, balancerArgs({ preferLocal: true }));
        assert.deepEqual(servers(preferring, "backend web"), [
            "near 10.218.0.21:8080",
            "far 10.218.0.22:8080 backup",
        ]);
        assert.ok(section(preferring, "backend web").includes("option allbackups"));
        await accepted(preferring);
    });

    const templates = (configuration: string, heading: string): string[] =>
        section(configuration, heading).filter((line) => line.startsWith("server"));

    it("has free servers for Lua to fill, and is another only where services are, by events", async () => {
        const instances: Instance[] = [
            { service: "web", id: "a", tags: [...routed, "check=/health"] },
            { service: "db", id: "b", tags: [...routed, "tcp=5432"], node: "node-1" },
            { service: "hidden", id: "c" },
            { service: "web-sidecar-proxy", id: "d", tags: routed },
        ];
        const configuration = await rendered(instances, events);
        assert.deepEqual(templates(configuration, "backend web"), [
            "server-template web 1-16 127.0.0.1:1 disabled",
        ]);
        assert.deepEqual(templates(configuration, "listen tcp.db"), [
            "server-template db 1-16 127.0.0.1:1 disabled",
        ]);
        assert.ok(section(configuration, "backend web").includes("option httpchk GET /health"));
        assert.deepEqual(told(configuration), {
            consul: { url: "http://127.0.0.1:8500", token: consulToken },
            services: [
                { name: "db", backend: "tcp.db", tag: "routed" },
                { name: "web", backend: "web", tag: "routed" },
            ],
            guard: { minimumShare: 0.5, hold: 60 },
            ...{ wait: 5, patience: 5, state: "/state/discovery.json" },
        });
        // The guard has no section of a service, for no line of it is the catalogue's, but all of them as a list.
        assert.deepEqual(configuration.match(/^#guard .*$/gm), ["#guard list services known 2"]);
        assert.doesNotMatch(configuration, /hidden|sidecar/);
        await accepted(configuration);
        const more: Instance[] = [
            { service: "web", id: "e", tags: routed, status: "critical" },
            { service: "db", id: "f", tags: [...routed, "tcp=5432"] },
        ];
        assert.equal(await rendered(more, events), configuration);
        const another = await rendered([{ service: "api", id: "g", tags: routed }], events);
        assert.deepEqual(
            told(another).services.map(({ name }) => name),
            ["api", "db", "web"],
        );
    });

    it("has room for twice the instances and one, by events", async () => {
        const instances = Array.from({ length: 16 }, (_, n): Instance => {
            const port = 9000 + n;
            return { service: "web", id: `w${n}`, tags: routed, port };
        });
        for (const [count, slots] of [
            [7, 16],
            [8, 32],
            [15, 32],
            [16, 64],
        ] as const) {
            const configuration = await rendered(instances.slice(0, count), events);
            assert.deepEqual(
                templates(configuration, "backend web"),
                [`server-template web 1-${slots} 127.0.0.1:1 disabled`],
                `${count} instances`,
            );
        }
    });

    it("has servers of their own for this node's instances when they are preferred, by events", async () => {
        const instance = { service: "web", id: "a", tags: routed };
        const configuration = await rendered([instance], { ...events, preferLocal: true });
        assert.deepEqual(templates(configuration, "backend web"), [
            "server-template near 1-16 127.0.0.1:1 disabled",
            "server-template far 1-16 127.0.0.1:1 backup disabled",
        ]);
        assert.ok(section(configuration, "backend web").includes("option allbackups"));
        assert.deepEqual(told(configuration).services, [
            { name: "web", backend: "web", tag: "routed", near: "node-1" },
        ]);
        await accepted(configuration);
    });

    it("takes nothing from the catalogue that could be read as a setting", async () => {
        const evil = "x\n    bind :1";
        const configuration = await rendered([
            { service: "web", id: `a${evil}`, tags: [...routed, `tcp=5000${evil}`] },
            { service: "api", id: "b", tags: routed, address: `example.org${evil}` },
            { service: "port", id: "c", tags: routed, port: 0 },
            { service: "six", id: "d", tags: [...routed, `check=/${evil}`], address: "fd00::1" },
            { service: "Upper", id: "e", tags: routed },
            { service: "two words", id: "f", tags: routed },
            { service: "a.dot", id: "g", tags: routed },
            { service: `line${evil}`, id: "h", tags: routed },
        ]);
        assert.doesNotMatch(configuration, /^\s*bind :1$/m);
        assert.deepEqual(servers(configuration, "backend six"), ["d fd00::1:8080"]);
        for (const service of ["api", "port"]) {
            assert.deepEqual(servers(configuration, `backend ${service}`), []);
        }
        assert.equal([...configuration.matchAll(/^# left out: /gm)].length, 5);
        await accepted(configuration);
    });
});

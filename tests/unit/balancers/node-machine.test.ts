import * as assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { Resolver } from "node:dns/promises";

import { nodeBalancer, type NodeBalancerArgs } from "../../../components/balancers/node-balancer";
import { eventually } from "../../support/poll";
import { account, balancerArgs, makePki, operatorsArgs, type Pki } from "./node-files";
import { RoutedMachine } from "./node-machine";
import { putApps, putConsul, putNomad } from "./node-programs";

/** A real machine with Consul and Nomad on it, and applications that Consul knows. */
describe("a node with its balancer and its resolver", function () {
    this.timeout("5m");
    const machine = new RoutedMachine();
    const management = randomUUID();
    const login = ["--user", `${account.user}:${account.password}`];
    let pki: Pki;
    let args: NodeBalancerArgs;

    before(async () => {
        pki = await makePki();
        args = balancerArgs({
            node: { name: "node-1", address: machine.address },
            network: machine.network,
            consulToken: randomUUID(),
            operators: operatorsArgs(pki),
            guard: { holdSeconds: 2 },
        });
        await machine.boot((root) => {
            putConsul(root, { address: machine.address, management, balancer: args.consulToken, services });
            putNomad(root, pki);
            putApps(root, "a-7001", "b-7002", "hidden-7003", "echo-7004", "c-7005", "d-7006", "sick-7007");
            // What a machine trusts; here for curl alone.
            root.write("opt/ca.pem", pki.ca);
        });
        await machine.configure(nodeBalancer(args));
    });
    after(() => machine.remove());

    const service = (name: string, id: string, port: number, tags: string[], more: object = {}): object => ({
        ...{ name, id, port, tags },
        ...more,
    });
    const services = [
        service("helloworld", "a", 7001, ["routed"]),
        service("helloworld", "b", 7002, ["routed"]),
        service("hidden", "hidden", 7003, []),
        service("echo", "echo", 7004, ["routed", "tcp=7400"]),
        service("mixed", "c", 7005, ["routed"]),
        service("mixed", "d", 7006, ["canary"]),
        service("sick", "sick", 7007, ["routed"], { checks: [{ ttl: "1h", status: "critical" }] }),
    ];

    const consul = (...command: string[]): Promise<string> =>
        machine.inside("env", `CONSUL_HTTP_TOKEN=${management}`, "consul", ...command);

    /** Who answers, in as many requests. */
    async function answers(url: string, requests: number): Promise<string> {
        const seen: string[] = [];
        for (let request = 0; request < requests; request++) {
            seen.push((await machine.page(url)).split(" ").slice(0, 2).join(" "));
        }
        return seen.join(", ");
    }

    const routes = (): Promise<string> => machine.page("http://127.0.0.1:1936/routes/metrics", ...login);

    it("takes no request until Consul lets it read the catalogue, so that callers go elsewhere", async () => {
        const refused = await machine.try("curl", "--silent", "--show-error", "http://helloworld.service/");
        assert.equal(refused.code, 7, refused.output);
        assert.match(await machine.page("http://127.0.0.1:1936/ready"), /^503 /);
        const rules = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }';
        await eventually("Consul makes a policy", () =>
            consul("acl", "policy", "create", "-name=balancer", `-rules=${rules}`),
        );
        await consul("acl", "token", "create", "-policy-name=balancer", `-secret=${args.consulToken}`);
        await eventually("the catalogue has been read", async () =>
            assert.equal(await machine.page("http://127.0.0.1:1936/ready"), "200 ready"),
        );
        await eventually("all services have been taken over", async () =>
            assert.match(await routes(), /^gatehouse_services\{state="routed"\} 4$/m),
        );
    });

    it("gives <service>.service to the tagged instances in turn", async () => {
        await eventually("both answer", async () =>
            assert.match(
                await answers("http://helloworld.service/", 4),
                /^200 (a, 200 b, 200 a, 200 b|b, 200 a, 200 b, 200 a)$/,
            ),
        );
        assert.equal(await answers("http://mixed.service/", 3), "200 c, 200 c, 200 c");
        for (const host of [
            "HelloWorld.Service:80",
            "helloworld.service.localhost:8100",
            "helloworld.service.",
        ]) {
            const page = await machine.page("http://127.0.0.1/x", "--header", `Host: ${host}`);
            assert.equal(page.slice(6), `/x ${host}`, page);
        }
    });

    it("answers for services without the tag, unknown ones and other names with a page that names them", async () => {
        for (const name of ["hidden.service", "nothing.service", "x.helloworld.service", "echo.service"]) {
            assert.match(
                await machine.page(`http://${name}/`),
                new RegExp(`^404 There is no service by the name of "${name}"`),
            );
        }
        for (const [host, shown] of [
            ["gatehouse.statistics", "gatehouse.statistics"],
            ["tcp.echo.service", "tcp.echo.service"],
            ["<b>x</b>.service", "\\?b\\?x\\?\\?b\\?.service"],
        ] as const) {
            const page = await machine.page("http://127.0.0.1/", "--header", `Host: ${host}`);
            assert.match(page, new RegExp(`^404 .*"${shown}"`));
        }
        assert.equal(
            await machine.page("http://sick.service/"),
            "503 sick.service has no instance that can answer at the moment.",
        );
    });

    const conversation = (host: string, port: number): string =>
        "import socket\n" +
        `s = socket.create_connection(("${host}", ${port}), timeout=5)\n` +
        's.sendall(b"good day\\n")\nprint(s.recv(100).decode().strip())';

    it("gives a service that is no HTTP the port of its tag", async () => {
        assert.equal(
            (await machine.inside("python3", "-c", conversation("echo.service", 7400))).trim(),
            "echo: good day",
        );
    });

    it("answers for names as the table of dns.ts says", async () => {
        const dns = new Resolver({ timeout: 5000, tries: 3 });
        dns.setServers([machine.address]);
        const refused = async (question: Promise<unknown>): Promise<string> =>
            question.then(
                (answer) => JSON.stringify(answer),
                (error: NodeJS.ErrnoException) => String(error.code),
            );
        assert.deepEqual(await dns.resolve4("helloworld.service"), [machine.address]);
        assert.deepEqual(await dns.resolve4("anything.at.all.service"), [machine.address]);
        // The name is there, and has no such address: a resolver that asks for both must not give up.
        assert.equal(await refused(dns.resolve6("helloworld.service")), "ENODATA");
        assert.deepEqual(await dns.resolve4("helloworld.service.consul"), [machine.address]);
        assert.deepEqual(await dns.resolve4("node-1.node.consul"), [machine.address]);
        assert.equal(await refused(dns.resolve4("nothing.service.consul")), "ENOTFOUND");
        assert.deepEqual(await dns.reverse(machine.address), ["node-1.node.dc1.consul"]);
        // Docker's own resolver knows the container's name, and nobody else does.
        assert.deepEqual(await dns.resolve4(machine.name), [machine.address]);
    });

    it("is the resolver of the machine and of what runs in it with an address of its own", async () => {
        const used = await machine.inside("cat", "/etc/resolv.conf");
        assert.deepEqual(used.match(/^nameserver .*$/gm), ["nameserver 127.0.0.1"]);
        assert.match(
            await machine.inside("cat", "/run/dnsmasq/upstream.conf"),
            /^nameserver 127\.0\.0\.11$/m,
        );
        // What a container on Docker's bridge is to the network.
        const script = `
            ip netns add c1
            ip link add to-c1 type veth peer name eth0 netns c1
            ip address add 172.31.250.1/24 dev to-c1
            ip link set to-c1 up
            ip -n c1 address add 172.31.250.2/24 dev eth0
            ip -n c1 link set eth0 up
            ip -n c1 route add default via 172.31.250.1
            mkdir -p /etc/netns/c1
            echo nameserver ${machine.address} > /etc/netns/c1/resolv.conf`;
        await machine.inside("sh", "-euc", script);
        const page = await machine.inside(
            "ip",
            "netns",
            "exec",
            "c1",
            "curl",
            "--silent",
            "http://helloworld.service/hi",
        );
        assert.match(page, /^[ab] \/hi helloworld\.service$/m);
        await machine.inside("ip", "netns", "delete", "c1");
    });

    it("listens where it should and nowhere else", async () => {
        const listening = await machine.inside(
            "ss",
            "--no-header",
            "--listening",
            "--tcp",
            "--udp",
            "--numeric",
            "--processes",
        );
        const of = (program: string): string[] =>
            listening
                .split("\n")
                .filter((line) => line.includes(`("${program}"`))
                .map((line) => `${line.split(/\s+/)[0]} ${line.split(/\s+/)[4]}`)
                .filter((line, index, all) => all.indexOf(line) === index)
                .sort();
        const own = machine.address;
        assert.deepEqual(of("dnsmasq"), [
            `tcp ${own}:53`,
            "tcp 127.0.0.1:53",
            `udp ${own}:53`,
            "udp 127.0.0.1:53",
        ]);
        assert.deepEqual(of("haproxy"), [
            "tcp 0.0.0.0:4643",
            "tcp 0.0.0.0:80",
            "tcp 0.0.0.0:8501",
            `tcp ${own}:7400`,
            "tcp 127.0.0.1:1936",
        ]);
        assert.deepEqual(of("socat"), ["tcp 127.0.0.1:9101"]);
        const users = await machine.inside("ps", "-o", "user=", "-C", "haproxy");
        assert.deepEqual([...new Set(users.trim().split(/\s+/))].sort(), ["haproxy", "root"]);
    });

    it("shows statistics and counters behind the password", async () => {
        for (const path of ["/", "/metrics", "/guard/metrics", "/guard/status", "/routes/metrics"]) {
            assert.match(await machine.page(`http://127.0.0.1:1936${path}`), /^401 /, path);
            assert.match(await machine.page(`http://127.0.0.1:1936${path}`, ...login), /^200 /, path);
        }
        const counters = await machine.page("http://127.0.0.1:1936/guard/metrics", ...login);
        assert.match(counters, /^gatehouse_guard_reloads_total [1-9]/m);
        assert.match(await routes(), /^gatehouse_services\{state="routed"\} 4$/m);
    });

    it("loses no request while instances and services come and go", async () => {
        const put = (name: string, id: string, port: number): Promise<string> =>
            consul("services", "register", `-name=${name}`, `-id=${id}`, `-port=${port}`, "-tag=routed");
        await machine.losesNothing("http://helloworld.service/", async () => {
            await put("helloworld", "another", 7006);
            await eventually("the new instance answers", async () =>
                assert.match(await answers("http://helloworld.service/", 3), /200 d/),
            );
            await put("late", "late", 7003);
            await eventually("the new service answers", async () =>
                assert.equal(await answers("http://late.service/", 1), "200 hidden"),
            );
            await consul("services", "deregister", "-id=another");
            await eventually("the instance is gone", async () =>
                assert.doesNotMatch(await answers("http://helloworld.service/", 3), /200 d/),
            );
            await consul("services", "deregister", "-id=late");
            await eventually("the service is gone", async () =>
                assert.equal(await answers("http://late.service/", 1), "404 There"),
            );
        });
    });

    it("lets operators in with TLS and a password, and nobody else", async () => {
        const ca = ["--cacert", "/opt/ca.pem"];
        const [consulUrl, nomadUrl] = ["https://localhost:8501", "https://localhost:4643"];
        await eventually("Nomad leads", async () =>
            assert.equal(
                await machine.page(`${nomadUrl}/v1/status/leader`, ...ca, ...login),
                '200 "127.0.0.1:4647"',
            ),
        );
        for (const url of [`${consulUrl}/v1/status/leader`, `${nomadUrl}/v1/status/leader`]) {
            assert.match(await machine.page(url, ...ca), /^401 /);
            assert.match(await machine.page(url, ...ca, "--user", "operator:wrong"), /^401 /);
            assert.match(await machine.page(url, ...login), /^000 /, "its authority is a private one");
            assert.match(await machine.page(url.replace("https", "http")), /^(000|400) /);
            const old = ["--ciphers", "DEFAULT@SECLEVEL=0", "--tlsv1.0", "--tls-max"];
            assert.match(await machine.page(url, ...ca, ...login, ...old, "1.1"), /^000 /);
            assert.match(await machine.page(url, ...ca, ...login, ...old, "1.2"), /^200 /);
        }
        // The password opens the door only: what is behind wants a token.
        assert.equal(await machine.page(`${consulUrl}/v1/catalog/nodes`, ...ca, ...login), "200 []");
        const token = ["--header", `X-Consul-Token: ${management}`];
        assert.match(
            await machine.page(`${consulUrl}/v1/catalog/nodes`, ...ca, ...login, ...token),
            /^200 .*node-1/,
        );
    });

    it("lets operators' questions wait longer than requests to services may", async () => {
        await consul("kv", "put", "waits", "1");
        const token = ["--cacert", "/opt/ca.pem", ...login, "--header", `X-Consul-Token: ${management}`];
        const url = "https://localhost:8501/v1/kv/waits";
        const [, index] = /X-Consul-Index: (\d+)/i.exec(await machine.page(url, ...token, "--include")) ?? [];
        await eventually("nothing is left to be reloaded", async () =>
            assert.match(
                await machine.page("http://127.0.0.1:1936/guard/status", ...login),
                /nothing is left to be done/,
            ),
        );
        const started = Date.now();
        const answer = await machine.page(`${url}?index=${index}&wait=31s`, ...token, "--max-time", "60");
        assert.match(answer, /^200 /);
        assert.ok(Date.now() - started > 31_000, `after ${Date.now() - started} ms`);
    });

    it("takes over other settings and certificates while HAProxy stays", async () => {
        const master = () => machine.inside("systemctl", "show", "--property=MainPID", "haproxy.service");
        const before = await master();
        const next = await makePki();
        const operators = { ...operatorsArgs(next), nomad: { caPem: pki.ca } };
        const changed = { ...args, operators, stats: { ...account, password: "another" } };
        await machine.put((root) => root.write("opt/next.pem", next.ca));
        const { restarted, reloaded } = await machine.configure(nodeBalancer(changed));
        assert.deepEqual({ restarted, reloaded }, { restarted: [], reloaded: ["haproxy.service"] });
        await eventually("it shows the new certificate", async () => {
            const page = await machine.page(
                "https://localhost:8501/v1/status/leader",
                "--cacert",
                "/opt/next.pem",
                ...login,
            );
            assert.match(page, /^200 /);
        });
        assert.match(await machine.page("http://127.0.0.1:1936/metrics", ...login), /^401 /);
        const user = ["--user", `${account.user}:another`];
        assert.match(await machine.page("http://127.0.0.1:1936/metrics", ...user), /^200 /);
        assert.equal(await master(), before);
        assert.deepEqual((await machine.configure(nodeBalancer(changed))).changed, []);
    });

    it("gives the machine its resolver back when it stops", async () => {
        await machine.inside("systemctl", "stop", "dnsmasq.service");
        assert.match(await machine.inside("cat", "/etc/resolv.conf"), /^nameserver 127\.0\.0\.11$/m);
        assert.match(await machine.inside("getent", "hosts", machine.name), new RegExp(machine.address));
        await machine.inside("systemctl", "start", "dnsmasq.service");
        assert.match(
            await machine.inside("getent", "hosts", "helloworld.service"),
            new RegExp(machine.address),
        );
    });

    it("is back after a reboot, and does not ask itself", async () => {
        await machine.restart();
        await machine.healthy(nodeBalancer(args));
        assert.match(
            await machine.inside("cat", "/run/dnsmasq/upstream.conf"),
            /^nameserver 127\.0\.0\.11\s*$/,
        );
        await eventually(
            "the services answer",
            async () => assert.match(await answers("http://helloworld.service/", 2), /^200 [ab], 200 [ab]$/),
            { within: 60 },
        );
        assert.match(await machine.inside("getent", "hosts", machine.name), new RegExp(machine.address));
    });
});

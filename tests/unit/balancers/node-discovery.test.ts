import * as assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { nodeBalancer, type NodeBalancerArgs } from "../../../components/balancers/node-balancer";
import { eventually } from "../../support/poll";
import { account, balancerArgs } from "./node-files";
import { RoutedMachine } from "./node-machine";
import { putApps, putConsul } from "./node-programs";

/** A real machine whose HAProxy hears of instances from the machine's own Consul. */
describe("a node's balancer with discovery by events", function () {
    this.timeout("5m");
    const machine = new RoutedMachine();
    const management = randomUUID();
    const login = ["--user", `${account.user}:${account.password}`];
    let args: NodeBalancerArgs;

    before(async () => {
        args = balancerArgs({
            node: { name: "node-1", address: machine.address },
            network: machine.network,
            consulToken: randomUUID(),
            discovery: "events",
            guard: { holdSeconds: 2 },
        });
        await machine.boot((root) => {
            putConsul(root, { address: machine.address, management, balancer: args.consulToken, services });
            putApps(root, "a-7001", "b-7002", "c-7003", "echo-7004");
        });
        const rules = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }';
        await eventually("Consul makes a policy", () =>
            consul("acl", "policy", "create", "-name=balancer", `-rules=${rules}`),
        );
        await consul("acl", "token", "create", "-policy-name=balancer", `-secret=${args.consulToken}`);
        await machine.configure(nodeBalancer(args));
        await eventually("the catalogue has been read", async () =>
            assert.equal(await machine.page("http://127.0.0.1:1936/ready"), "200 ready"),
        );
        // Consul may have made the services known one after the other; each new one is a reload.
        await eventually("all services are there, and nothing is left to be reloaded", async () => {
            const page = await statistics("/discovery");
            for (const name of ["echo", "helloworld"]) {
                assert.ok(page.includes(`<h2>${name}</h2>`), page);
            }
            assert.match(await statistics("/guard/status"), /nothing is left to be done/);
        });
    });
    after(() => machine.remove());

    const services = [
        { name: "helloworld", id: "a", port: 7001, tags: ["routed"] },
        { name: "helloworld", id: "b", port: 7002, tags: ["routed"] },
        { name: "helloworld", id: "c", port: 7003, tags: ["canary"] },
        { name: "echo", id: "echo", port: 7004, tags: ["routed", "tcp=7400"] },
    ];

    const consul = (...command: string[]): Promise<string> =>
        machine.inside("env", `CONSUL_HTTP_TOKEN=${management}`, "consul", ...command);

    const register = (name: string, id: string, port: number, ...tags: string[]): Promise<string> => {
        const flags = ["routed", ...tags].map((tag) => `-tag=${tag}`);
        return consul("services", "register", `-name=${name}`, `-id=${id}`, `-port=${port}`, ...flags);
    };

    /** Who answers for a service. */
    async function answering(service: string): Promise<string> {
        const seen = new Set<string>();
        for (let request = 0; request < 4; request++) {
            const [status, name] = (await machine.page(`http://${service}.service/`)).split(" ");
            seen.add(status === "200" ? name! : status!);
        }
        return [...seen].sort().join(" ");
    }

    const answers = (service: string, expected: string): Promise<void> =>
        eventually(
            `${service} is answered by ${expected}`,
            async () => assert.equal(await answering(service), expected),
            // A Consul that starts again may take a quarter of a minute until it names its own services.
            { within: 60 },
        );

    const statistics = (path: string): Promise<string> =>
        machine.page(`http://127.0.0.1:1936${path}`, ...login);

    async function metric(path: string, name: string): Promise<number> {
        const page = await statistics(path);
        const line = page.split("\n").find((each) => each.startsWith(`${name} `));
        assert.ok(line, `${name} is not among\n${page}`);
        return Number(line.slice(name.length + 1));
    }
    const reloads = (): Promise<number> => metric("/guard/metrics", "gatehouse_guard_reloads_total");

    /** Nothing that is asked of HAProxy meanwhile fails. */
    async function losesNothing(action: () => Promise<unknown>): Promise<void> {
        const said = await machine.whileAsking(["python3", "-c", callers, machine.address], action);
        const { http, failures } = JSON.parse(said) as Record<string, number> & { failures: string[] };
        assert.deepEqual(failures, []);
        assert.ok(http! > 50, `only ${http} requests`);
    }

    it("follows the tagged instances without a reload", async () => {
        await answers("helloworld", "a b");
        const before = await reloads();
        await losesNothing(async () => {
            await register("helloworld", "another", 7003);
            await answers("helloworld", "a b c");
            await consul("services", "deregister", "-id=another");
            await answers("helloworld", "a b");
        });
        assert.equal(await reloads(), before);
        assert.equal(
            await metric("/discovery/metrics", 'gatehouse_discovery_slots{service="helloworld"}'),
            16,
        );
    });

    it("takes in a service and lets it go by a reload that loses no request", async () => {
        const before = await reloads();
        await losesNothing(async () => {
            await register("late", "late", 7003);
            await answers("late", "c");
            await consul("services", "deregister", "-id=late");
            await answers("late", "404");
        });
        await eventually("both reloads are counted", async () => assert.equal(await reloads(), before + 2));
        await answers("helloworld", "a b");
    });

    it("gives a service that is no HTTP the port of its tag", async () => {
        const ask = `import socket
s = socket.create_connection(("echo.service", 7400), timeout=5)
s.sendall(b"good day\\n")
print(s.recv(100).decode().strip())`;
        await eventually("it answers", async () =>
            assert.equal((await machine.inside("python3", "-c", ask)).trim(), "echo: good day"),
        );
    });

    it("shows what it knows behind the password", async () => {
        for (const path of ["/discovery", "/discovery/metrics"]) {
            assert.match(await machine.page(`http://127.0.0.1:1936${path}`), /^401 /, path);
        }
        const page = await statistics("/discovery");
        assert.match(page, /^200 [\s\S]*<h2>helloworld<\/h2><p>2 of 16 servers in use/);
        assert.ok(page.includes(`${machine.address}:7001`), page);
    });

    it("has its token where only root reads, and the state where only HAProxy's workers do", async () => {
        // The pattern is in a file of root's, for a command line would be one of those that are searched.
        await machine.put((root) => root.write("opt/token", args.consulToken, 0o600));
        const search = `
            find / -xdev -type f -perm -o=r -size -1000k -not -path '/etc/consul-test/*' -exec grep -lFf /opt/token {} + || true
            cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -oFf /opt/token || true
            journalctl | grep -oFf /opt/token || true`;
        const found = await machine.inside("sh", "-c", search);
        assert.equal(found.trim(), "", found);
        const [folder, file] = ["/var/lib/haproxy/state", "/var/lib/haproxy/state/discovery.json"];
        assert.equal(
            await machine.inside("stat", "--format=%a %U %n", folder, file),
            `700 haproxy ${folder}\n600 haproxy ${file}\n`,
        );
    });

    it("knows its servers after a reload and after a restart while Consul is away", async () => {
        await machine.inside("systemctl", "stop", "consul.service");
        try {
            const user = { ...account, password: "another" };
            await losesNothing(() => machine.configure(nodeBalancer({ ...args, stats: user })));
            assert.equal(await answering("helloworld"), "a b");
            await losesNothing(() => machine.configure(nodeBalancer(args)));
            await machine.inside("systemctl", "restart", "haproxy.service");
            await answers("helloworld", "a b");
            assert.match(await statistics("/discovery"), /These are the servers of before/);
        } finally {
            await machine.inside("systemctl", "start", "consul.service");
        }
        await eventually(
            "Consul answers again",
            async () => assert.match(await statistics("/discovery"), /Consul said so/),
            { within: 60 },
        );
    });

    for (const [form, from] of [
        ["template", "events"],
        ["events", "template"],
    ] as const) {
        it(`becomes ${form} from ${from} by one reload that loses no request`, async () => {
            const before = await reloads();
            await losesNothing(async () => {
                const { restarted, reloaded } = await machine.configure(
                    nodeBalancer({ ...args, discovery: form }),
                );
                assert.deepEqual({ restarted, reloaded }, { restarted: [], reloaded: ["haproxy.service"] });
                // By the time that the next node would change.
                assert.equal(await reloads(), before + 1);
                const configuration = await machine.inside("cat", "/run/haproxy/haproxy.cfg");
                assert.equal(configuration.includes("lua-load"), form === "events");
                assert.equal(configuration.includes("server a "), form === "template");
                await answers("helloworld", "a b");
                await register("helloworld", "another", 7003);
                await answers("helloworld", "a b c");
                await consul("services", "deregister", "-id=another");
                await answers("helloworld", "a b");
            });
        });
    }

    it("asks another node's instances only while its own are away, if it prefers them", async () => {
        const remote = {
            ...{ Node: "node-2", Address: machine.address },
            Service: { ID: "remote", Service: "helloworld", Tags: ["routed"], Port: 7003 },
        };
        const script = `curl --silent --fail --request PUT --header "X-Consul-Token: ${management}" --data @- `;
        const put = (path: string, body: object): Promise<string> =>
            machine.inside(
                ...["sh", "-c", `echo '${JSON.stringify(body)}' | ${script} http://127.0.0.1:8500${path}`],
            );
        await put("/v1/catalog/register", remote);
        await answers("helloworld", "a b c");
        await losesNothing(() => machine.configure(nodeBalancer({ ...args, preferLocal: true })));
        await answers("helloworld", "a b");
        for (const id of ["a", "b"]) {
            await consul("services", "deregister", `-id=${id}`);
        }
        await answers("helloworld", "c");
        await machine.inside("systemctl", "restart", "consul.service");
        await answers("helloworld", "a b");
        await machine.configure(nodeBalancer(args));
        await answers("helloworld", "a b c");
        await put("/v1/catalog/deregister", { Node: "node-2" });
        await answers("helloworld", "a b");
    });

    it("is back after a reboot, and forgets where instances were before", async () => {
        const left = "/var/lib/haproxy/state/left";
        await machine.inside("touch", left);
        await machine.restart();
        assert.notEqual((await machine.try("test", "-e", left)).code, 0, "the state of before is there");
        await answers("helloworld", "a b");
    });
});

/** Ask for helloworld, each with another way to connect, until they are told to stop; say how often, and what failed. */
const callers = `
import http.client, json, os, socket, sys, threading, time
counts, failures = {"http": 0}, []
def ask(connection):
    connection.request("GET", "/", headers={"Host": "helloworld.service"})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(str(answer.status))
def each(connect):
    while not os.path.exists("/tmp/stop"):
        try:
            connect()
        except Exception as error:
            failures.append(f"{connect.__name__} {time.time()}: {error!r}")
        counts["http"] += 1
        if counts["http"] >= 10 and not os.path.exists("/tmp/asked"):
            open("/tmp/asked", "w").close()
        time.sleep(0.005)
def anew():
    connection = http.client.HTTPConnection(sys.argv[1], 80, timeout=5)
    ask(connection)
    connection.close()
def tcp():
    with socket.create_connection((sys.argv[1], 7400), timeout=5) as connection:
        connection.sendall(b"good day\\n")
        if not connection.recv(100):
            raise RuntimeError("closed")
threads = [threading.Thread(target=each, args=[caller]) for caller in [anew, anew, tcp, tcp]]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps({**counts, "failures": failures[:20]}))
`;

import * as assert from "node:assert/strict";

import { clients, lab, machines } from "../../support/routed-lab";
import { eventually } from "../../support/poll";

/** The port of the service `echo` on every machine. */
const port = 15432;

interface Allocation {
    ID: string;
    NodeName: string;
    TaskGroup: string;
    ClientStatus: string;
    TaskStates: Record<string, { Events: { DisplayMessage: string }[] }> | null;
}

describe("routed lab: a service that is no HTTP, and what its job may do", function () {
    this.timeout("5m");

    let allocations: Allocation[] = [];

    before("bring it up and run the job", async () => {
        await lab.ensureUp();
        await lab.nomadCommand(
            "server-1",
            echoJob(await imageOf("helloworld")),
            "job",
            "run",
            "-detach",
            "-",
        );
        await eventually(
            "its three instances run",
            async () => {
                const all = await lab.api<Allocation[]>("nomad", "/v1/job/echo/allocations");
                allocations = all.filter(({ ClientStatus }) => ClientStatus === "running");
                assert.equal(allocations.length, 3, all.map(described).join("; "));
            },
            { within: 90 },
        );
    });
    after("stop it", async () => {
        await lab.nomadCommand("server-1", "", "job", "stop", "-purge", "echo");
        await eventually("Consul has forgotten it", async () =>
            assert.deepEqual(await lab.api<unknown[]>("consul", "/v1/catalog/service/echo"), []),
        );
    });

    const ask = (machine: string): Promise<string> =>
        lab.feed(machine, question, ["python3", "-", "echo.service", String(port)]);

    it("is reached by name and port on every machine", async () => {
        for (const machine of machines) {
            await eventually(`${machine} reaches echo`, async () =>
                assert.equal((await ask(machine)).trim(), `routed says ${machine}`),
            );
        }
    });

    it("is reached in containers", async () => {
        const script = `const socket = require("net").connect(${port}, "echo.service", () => socket.write("a task"));
            socket.on("data", (data) => { console.log(String(data)); process.exit(); });`;
        for (const client of clients) {
            const [task] = await lab.tasks(client);
            assert.ok(task, `${client} runs no container of a job`);
            assert.equal((await lab.beside(client, task, script)).trim(), "routed says a task");
        }
    });

    it("has no request for the instance without the tag", async () => {
        await eventually("Consul knows all three, and they are well", async () => {
            const known = await lab.api<unknown[]>("consul", "/v1/health/service/echo?passing");
            assert.equal(known.length, 3);
        });
        await eventually("the balancer has those with the tag", async () =>
            assert.equal((await lab.balanced("server-3", "tcp.echo")).length, 2),
        );
        for (let n = 0; n < 6; n += 1) {
            assert.match(await ask("server-3"), /^routed says /);
        }
    });

    it("has a token by its identity, which reads the catalogue and may do nothing else", async () => {
        const [{ ID, NodeName }] = allocations.filter(({ TaskGroup }) => TaskGroup === "routed") as [
            Allocation,
        ];
        const file = `/var/lib/nomad/alloc/${ID}/server/secrets/consul_token`;
        const token = (await lab.on(NodeName, "cat", file)).trim();
        const self = await lab.api<{ AuthMethod: string; Policies?: unknown; Roles: { Name: string }[] }>(
            "consul",
            "/v1/acl/token/self",
            { token },
        );
        assert.equal(self.AuthMethod, "nomad-workloads");
        assert.deepEqual(
            [self.Policies ?? [], self.Roles.map(({ Name }) => Name)],
            [[], ["nomad-default-tasks"]],
        );
        const may = async (path: string, body?: unknown): Promise<number> =>
            (await lab.answer("consul", path, { token, body, method: body ? "PUT" : "GET", via: NodeName }))
                .status;
        assert.equal(await may("/v1/health/service/helloworld"), 200);
        assert.equal(await may("/v1/kv/gatehouse/plan"), 403);
        assert.equal(await may("/v1/kv/echo", "x"), 403);
        assert.equal(await may("/v1/agent/service/register", { Name: "helloworld" }), 403);
        assert.equal(await may("/v1/acl/tokens"), 403);
    });

    it("is registered with a token for itself alone, as every service of a job is", async () => {
        interface Token {
            Policies?: unknown[];
            Roles?: { Name: string }[];
            ServiceIdentities?: { ServiceName: string }[];
        }
        const tokens = await lab.api<Token[]>("consul", "/v1/acl/tokens?authmethod=nomad-workloads");
        const services = tokens.flatMap(({ ServiceIdentities }) => ServiceIdentities?.slice(0, 1) ?? []);
        const names = new Set(services.map(({ ServiceName }) => ServiceName));
        for (const name of ["echo", "helloworld", "hidden", "demo-webapp", "count-dashboard"]) {
            assert.ok(names.has(name), `no service has registered as ${name}: ${[...names].join(", ")}`);
        }
        for (const { Policies = [], Roles = [], ServiceIdentities = [] } of tokens) {
            assert.deepEqual(Policies, []);
            assert.equal(Roles.length + ServiceIdentities.length, 1);
        }
    });

    it("finds no token of an agent in its environment or its files, as no other task does", async () => {
        for (const client of clients) {
            const { tokens, files, containers, found } = JSON.parse(
                await lab.feed(client, search, ["python3", "-"]),
            ) as { tokens: number; files: number; containers: number; found: string[] };
            assert.ok(tokens >= 3 && files >= 10 && containers >= 3, `${tokens}, ${files}, ${containers}`);
            assert.deepEqual(found, [], client);
        }
    });
});

/** How an allocation is, and what Nomad said of it last. */
function described({ ClientStatus, TaskStates }: Allocation): string {
    const said = Object.values(TaskStates ?? {}).flatMap(({ Events }) => Events.slice(-1));
    return [ClientStatus, ...said.map(({ DisplayMessage }) => DisplayMessage.trim())].join(": ");
}

async function imageOf(job: string): Promise<string> {
    const { TaskGroups } = await lab.api<{ TaskGroups: { Tasks: { Config: { image: string } }[] }[] }>(
        "nomad",
        `/v1/job/${job}`,
    );
    return TaskGroups[0]!.Tasks[0]!.Config.image;
}

/** Two groups of one service, of which one is routed. */
function echoJob(image: string): string {
    const group = (name: string, count: number, tags: string[]): string => `
  group "${name}" {
    count = ${count}
    # As in the lab's own jobs: an allocation fails where Consul's agent asks for its token over a connection to a
    # server that has just been restarted (3-hardened does), and the default delay is 30 s.
    reschedule {
      delay          = "5s"
      delay_function = "constant"
      unlimited      = true
    }
    network {
      port "tcp" {}
    }
    service {
      name = "echo"
      port = "tcp"
      tags = ${JSON.stringify(tags)}
      check {
        type     = "tcp"
        interval = "1s"
        timeout  = "1s"
      }
    }
    task "server" {
      driver = "docker"
      consul {}
      config {
        image      = "${image}"
        ports      = ["tcp"]
        entrypoint = ["/usr/bin/node"]
        args       = ["-e", "require('net').createServer((socket) => socket.on('error', () => {}).on('data', (data) => socket.write('${name} says ' + data))).listen(process.env.NOMAD_PORT_tcp)"]
      }
      resources {
        cpu    = 50
        memory = 64
      }
    }
  }`;
    return `job "echo" {
  datacenters = ["dc1"]
  ${group("routed", 2, ["routed", `tcp=${port}`])}
  ${group("apart", 1, [])}
}
`;
}

/** Says the machine's name to a TCP service and prints the answer. */
const question = `
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as connection:
    connection.sendall(socket.gethostname().encode())
    print(connection.recv(100).decode())
`;

/** Looks for the secrets of the machine's own agents among what its tasks can read. */
const search = `
import json, os, re, subprocess
uuid = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
tokens = set()
for path in ["/etc/consul.d/tokens.json", "/etc/nomad.d/consul.json", "/etc/consul-template/token"]:
    tokens.update(uuid.findall(open(path).read()))
texts = {}
for folder, _, names in os.walk("/var/lib/nomad/alloc"):
    for name in names:
        path = os.path.join(folder, name)
        try:
            if os.path.isfile(path) and os.path.getsize(path) < 1e6:
                texts[path] = open(path, errors="replace").read()
        except FileNotFoundError:
            pass  # Nomad has written it anew, under another name first, or has no more use for it.
files = len(texts)
ids = subprocess.check_output(["docker", "ps", "--quiet"], text=True).split()
for each in json.loads(subprocess.check_output(["docker", "inspect", *ids], text=True)):
    texts[each["Name"]] = json.dumps(each)
found = [path for path, text in texts.items() if any(token in text for token in tokens)]
print(json.dumps({"tokens": len(tokens), "files": files, "containers": len(ids), "found": found}))
`;

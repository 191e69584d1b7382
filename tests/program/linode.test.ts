import * as assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { join } from "node:path";

import { parse } from "yaml";

import { root } from "../../toolchain/paths";
import { freePorts } from "../support/agents";
import { getJson } from "../support/http";
import { LinodeEmulator } from "../support/linode/emulator";
import {
    differing,
    outermost,
    registered,
    type Registered,
    type Run,
    runProgram,
    secretsIn,
} from "../support/mocks";
import { unpacked } from "../support/packed";
import { assertSecretsMarked, named, ofType } from "./expectations";
import { linodeComputed as computed } from "./providers";

const servers = ["server-1", "server-2", "server-3"];
const clients = ["client-1", "client-2"];
const machines = [...servers, ...clients, "registry"];

/** What is at Linode, and of components, of the stack in Pulumi.linode.yaml. A name is a resource's identity. */
const expected: Record<string, string[]> = {
    "gatehouse:machines:LinodeIngress": ["ingress"],
    "gatehouse:machines:LinodeMachine": machines,
    "gatehouse:machines:LinodeSubstrate": ["machines"],
    "linode:index/firewall:Firewall": machines.map((name) => `${name}-firewall`),
    "linode:index/instance:Instance": machines,
    "linode:index/nodeBalancer:NodeBalancer": ["ingress"],
    "linode:index/nodeBalancerConfig:NodeBalancerConfig": ["ingress-80"],
    "linode:index/nodeBalancerNode:NodeBalancerNode": clients.map((name) => `ingress-80-${name}`),
    "linode:index/placementGroup:PlacementGroup": ["machines-servers"],
    "linode:index/vpc:Vpc": ["machines-vpc"],
    "linode:index/vpcSubnet:VpcSubnet": ["machines-subnet"],
};

const stackFile = parse(readFileSync(join(root, "Pulumi.linode.yaml"), "utf8")) as {
    config: Record<string, unknown>;
};
const settings = Object.fromEntries(
    Object.entries(stackFile.config).map(([key, value]) => [key.replace("gatehouse:", ""), value]),
);

const instances = (run: Run) => ofType(run, "linode:index/instance:Instance");
const atLinode = (run: Run) => registered(run).filter((each) => /^(linode|gatehouse:machines):/.test(each));
const userDataOf = ({ inputs }: Registered): string => {
    const [{ userData }] = inputs["metadatas"] as [{ userData: string }];
    return Buffer.from(userData, "base64").toString();
};
/** A firewall's rules as label, ports and sources. */
const rulesOf = (run: Run, machine: string): string[] => {
    const { inputs } = named(run, "linode:index/firewall:Firewall", `${machine}-firewall`);
    assert.deepEqual([inputs["inboundPolicy"], inputs["outboundPolicy"]], ["DROP", "ACCEPT"], machine);
    return (inputs["inbounds"] as { label: string; ports: string; ipv4s?: string[]; ipv6s?: string[] }[]).map(
        ({ label, ports, ipv4s = [], ipv6s = [] }) => `${label} ${ports} ${[...ipv4s, ...ipv6s].join(" ")}`,
    );
};
const urlsOf = (run: Run) => run.outputs["urls"]?.value as Record<string, string>;
const addressOf = (machine: string) =>
    String(computed["linode:index/instance:Instance"]!(machine, {})["ipAddress"]);

describe("the program at Linode", function () {
    this.timeout("3m");

    const emulator = new LinodeEmulator({ speed: 0 });
    const addresses = http.createServer((_request, response) => {
        response.setHeader("connection", "close").end("203.0.113.7\n");
    });
    const environment = { ...process.env };
    let preview: Run;
    let update: Run;

    /** For what the program listens on while it runs. */
    const freePort = async (): Promise<number> => (await freePorts(["port"])).port;
    const run = async (
        more: Record<string, unknown> = {},
        options: Partial<Parameters<typeof runProgram>[1]> = {},
    ) =>
        runProgram(
            { ...settings, ports: { registry: await freePort() }, ...more },
            { preview: false, computed, stack: "linode", ...options },
        );

    before(async () => {
        await emulator.start();
        await new Promise<void>((resolve) => addresses.listen(0, "127.0.0.1", resolve));
        const { port } = addresses.address() as net.AddressInfo;
        Object.assign(process.env, {
            GATEHOUSE_ADDRESS_URL: `http://127.0.0.1:${port}`,
            LINODE_URL: emulator.url,
            LINODE_TOKEN: emulator.token,
        });
        preview = await run({}, { preview: true });
        update = await run();
    });
    after(async () => {
        process.env = environment;
        addresses.close();
        await emulator.stop();
    });

    it("registers exactly these resources, in a first preview as well, where everything is unknown", () => {
        const whole = Object.entries(expected).flatMap(([type, names]) =>
            names.map((name) => `${type} ${name}`),
        );
        assert.deepEqual(atLinode(update), whole.sort());
        // A resource that is created inside apply is missing in a preview: its callback does not run on unknowns.
        assert.deepEqual(registered(preview), registered(update));
        for (const [urn, top] of outermost(update)) {
            assert.equal(top.type, "gatehouse:labs:NomadLab", `${urn} is outside the lab`);
        }
    });

    it("makes no image that only machines in Docker boot", () => {
        const { inputs } = named(update, "command:local:Command", "base-images-build");
        assert.match(String(inputs["create"]), /images node pause haproxy-base envoy-base$/);
    });

    it("labels everything with project and stack, and tags it where there are tags", () => {
        const untagged = /\/(vpc|vpcSubnet|placementGroup|nodeBalancerConfig|nodeBalancerNode):/;
        const labels = new Set<string>();
        for (const { type, name, inputs } of update.resources.filter(({ type }) =>
            type.startsWith("linode:"),
        )) {
            if (!untagged.test(type)) {
                assert.deepEqual(inputs["tags"], ["gatehouse", "gatehouse:linode"], `${type} ${name}`);
            }
            if (!/nodeBalancer(Config|Node):/.test(type)) {
                assert.match(String(inputs["label"]), /^gatehouse-linode-/, `${type} ${name}`);
                labels.add(`${type} ${String(inputs["label"])}`);
            }
        }
        assert.equal(labels.size, 6 + 6 + 4);
    });

    it("makes machines with a fixed address in the lab's own network, and no log-in with a password", () => {
        for (const { name, inputs } of instances(update)) {
            const [open, own] = inputs["interfaces"] as [object, { ipv4: { vpc: string } }];
            assert.deepEqual(open, { purpose: "public", primary: true });
            const last = { server: 10, client: 20 }[name.split("-")[0]!] ?? 0;
            const host = name === "registry" ? 2 : last + Number(name.split("-")[1]);
            assert.equal(own.ipv4.vpc, `10.230.0.${host}`);
            assert.equal(inputs["rootPass"], undefined);
            assert.deepEqual(inputs["authorizedKeys"], ["ssh-ed25519 AAAA machines-operator"]);
            assert.deepEqual(
                [inputs["region"], inputs["type"], inputs["image"], inputs["backupsEnabled"]],
                ["nl-ams", name === "registry" ? "g6-nanode-1" : "g6-standard-1", "linode/debian12", false],
            );
            assert.equal(inputs["privateIp"], clients.includes(name) ? true : undefined, name);
            assert.equal(inputs["placementGroup"] !== undefined, servers.includes(name), name);
            const { id } = computed["linode:index/firewall:Firewall"]!(`${name}-firewall`, {});
            assert.equal(inputs["firewallId"], id);
            assert.match(
                userDataOf(named(update, "linode:index/instance:Instance", name)),
                /ssh_pwauth: false/,
            );
        }
    });

    it("gives user data no secret but the machine's own host key, and marks it as secret", () => {
        for (const machine of instances(update)) {
            assert.deepEqual(userDataOf(machine).match(/gatehouse-secret-of-[\w-]+/g), [
                `gatehouse-secret-of-${machine.name}-host-key`,
            ]);
            assert.ok(
                machine.secretInputs.some((path) => /^metadatas(\.0(\.userData)?)?$/.test(path)),
                machine.secretInputs.join(),
            );
            assert.ok(machine.additionalSecretOutputs.includes("metadatas"), "the SDK does not say so");
            const { userData } = (machine.inputs["metadatas"] as [{ userData: string }])[0];
            assert.ok(userData.length <= 16 * 1024, `${machine.name}: ${userData.length} bytes`);
        }
    });

    it("keeps secrets out of every input that is not secret, and out of outputs", () => {
        update.resources.forEach(assertSecretsMarked);
        const open = Object.entries(update.outputs).filter(([, { secret }]) => !secret);
        assert.deepEqual(secretsIn(Object.fromEntries(open.map(([name, { value }]) => [name, value]))), []);
    });

    it("lets each machine's firewall pass what it publishes, and its peers", () => {
        const own = "203.0.113.7/32";
        const peers = [
            "peers-tcp 2379-2380, 4646-4648, 8300-8301, 8500-8503, 8600, 20000-32000 10.230.0.0/24",
            "peers-udp 4648, 8301, 8600, 20000-32000 10.230.0.0/24",
        ];
        const balancer = "balancers-tcp 80 192.168.255.0/24";
        const found = Object.fromEntries(machines.map((name) => [name, rulesOf(update, name)]));
        assert.deepEqual(found, {
            "server-1": [`operators-tcp 22, 4646, 8500 ${own}`, ...peers],
            "server-2": [`operators-tcp 22 ${own}`, ...peers],
            "server-3": [`operators-tcp 22 ${own}`, ...peers],
            "client-1": [`operators-tcp 22, 1936, 9002 ${own}`, balancer, ...peers],
            "client-2": [`operators-tcp 22 ${own}`, balancer, ...peers],
            registry: [`operators-tcp 22 ${own}`, "peers-tcp 5000 10.230.0.0/24"],
        });
    });

    it("puts a NodeBalancer before HAProxy on every machine that runs jobs, which learns from it who calls", () => {
        const { inputs } = named(update, "linode:index/nodeBalancerConfig:NodeBalancerConfig", "ingress-80");
        assert.deepEqual(
            [
                inputs["port"],
                inputs["protocol"],
                inputs["proxyProtocol"],
                inputs["check"],
                inputs["checkPassive"],
            ],
            [80, "tcp", "v2", "connection", true],
        );
        for (const name of clients) {
            const node = named(
                update,
                "linode:index/nodeBalancerNode:NodeBalancerNode",
                `ingress-80-${name}`,
            );
            assert.equal(node.inputs["label"], name);
            assert.match(String(node.inputs["address"]), /^192\.168\.130\.\d+:80$/);
        }
        const { hcl2 } = named(update, "nomad:index/job:Job", "haproxy-job").inputs as {
            hcl2: { vars: Record<string, string> };
        };
        assert.deepEqual(JSON.parse(hcl2.vars["nodes"]!), clients);
        assert.deepEqual(JSON.parse(hcl2.vars["proxy_sources"]!), ["192.168.255.0/24"]);
    });

    it("tells users the NodeBalancer's address, and operators the machines' own", () => {
        const [server, client] = ["server-1", "client-1"].map(addressOf);
        assert.deepEqual(urlsOf(update), {
            webapp: "http://203.0.113.80",
            haproxyStats: `http://${client}:1936`,
            consul: `http://${server}:8500`,
            nomad: `http://${server}:4646`,
            dashboard: `http://${client}:9002`,
        });
    });

    it("gives jobs the addresses of the lab's own network: the machines' default route is another's", () => {
        for (const [index, name] of clients.entries()) {
            const wanted = `include "address" "^10[.]230[.]0[.]${21 + index}(/|$)"`;
            const text = told(named(update, "command:remote:Command", `${name}-configure`));
            assert.ok(text.includes(wanted), wanted);
        }
    });

    it("pushes images through 127.0.0.1 and lets machines pull from the registry's own address", () => {
        const image = named(update, "docker:index/image:Image", "images-hello");
        assert.match(String(image.inputs["imageName"]), /^127\.0\.0\.1:\d+\/hello:lab$/);
        const [client] = clients.map((name) =>
            userDataOf(named(update, "linode:index/instance:Instance", name)),
        );
        assert.match(client!, /10\.230\.0\.2:5000/);
        assert.ok(
            image.dependencies.some((urn) => urn.endsWith("::registry-ready")),
            "a push waits for the registry's machine",
        );
    });

    it("has no NodeBalancer unless asked: the first machine that runs jobs takes requests from everywhere", async () => {
        const plain = await run({ linode: {} });
        assert.deepEqual(ofType(plain, "linode:index/nodeBalancer:NodeBalancer"), []);
        assert.equal(urlsOf(plain)["webapp"], `http://${addressOf("client-1")}`);
        assert.equal(rulesOf(plain, "client-1")[1], "public-tcp 80 0.0.0.0/0 ::/0");
        assert.ok(!rulesOf(plain, "client-2").some((rule) => rule.includes(" 80 ")));
        assert.ok(instances(plain).every(({ inputs }) => inputs["privateIp"] === undefined));
    });

    it("changes firewalls alone when operators come from elsewhere", async () => {
        const elsewhere = await run({
            linode: { nodeBalancer: true, operators: ["198.51.100.0/24", "2001:db8::/48"] },
        });
        // They are pushed through another port than before.
        const changed = differing(update, elsewhere).filter((each) => !each.includes("docker:index/image"));
        assert.deepEqual(
            changed,
            machines.map((name) => `linode:index/firewall:Firewall ${name}-firewall`).sort(),
        );
        assert.equal(rulesOf(elsewhere, "registry")[0], "operators-tcp 22 198.51.100.0/24 2001:db8::/48");
    });

    it("says what it costs, and how long it is meant to live, from the first update on", async () => {
        const cost = update.outputs["cost"]?.value as { monthly: number; hourly: number };
        assert.deepEqual([cost.monthly, cost.hourly], [75, 0.1125]);
        const lifetime = update.outputs["lifetime"]?.value as { created: string; expires?: string };
        assert.equal(lifetime.expires, undefined);
        const last = { lifetime: { created: "2026-01-01T00:00:00.000Z" } };
        const later = await run({ linode: { nodeBalancer: true, ttl: "2d" } }, { preview: true, last });
        assert.deepEqual(later.outputs["lifetime"]?.value, {
            created: last.lifetime.created,
            expires: "2026-01-03T00:00:00.000Z",
        });
    });

    it("gives the lab and its machines names in a domain of the account", async () => {
        const zone = { domain: "example.org", type: "master", soa_email: "admin@example.org" };
        const headers = { authorization: `Bearer ${emulator.token}` };
        await getJson(`${emulator.url}/v4/domains`, { method: "POST", headers, body: zone });
        const calls = { "linode:index/getDomain:getDomain": () => ({ id: 77, domain: "example.org" }) };
        const dns = await run({ linode: { nodeBalancer: true, dns: { domain: "example.org" } } }, { calls });
        const records = ofType(dns, "linode:index/domainRecord:DomainRecord");
        const told = records.map(({ inputs }) => [inputs["domainId"], inputs["name"], inputs["target"]]);
        assert.deepEqual(
            told.sort((a, b) => String(a[1]).localeCompare(String(b[1]))),
            [
                ...[...clients, ...servers].map((name) => [77, `${name}.linode`, addressOf(name)]),
                [77, "linode", "203.0.113.80"],
            ].sort((a, b) => String(a[1]).localeCompare(String(b[1]))),
        );
        assert.equal(urlsOf(dns)["webapp"], "http://linode.example.org");
    });

    it("runs the routed lab as well, behind a NodeBalancer, with operators' certificates for public addresses", async () => {
        const routed = { lab: "routed", servers: undefined, clients: undefined };
        const [first, known] = [await run(routed, { preview: true }), await run(routed)];
        assert.deepEqual(registered(first), registered(known));
        assert.deepEqual(atLinode(known), atLinode(update));
        const { inputs } = named(known, "tls:index/certRequest:CertRequest", "operators-ca-server-1-request");
        assert.deepEqual(inputs["ipAddresses"], ["127.0.0.1", "10.230.0.11", addressOf("server-1")]);
        assert.equal(urlsOf(known)["http"], "http://203.0.113.80");
        assert.equal(urlsOf(known)["consul"], `https://${addressOf("server-1")}:8501`);
        const configure = named(known, "command:remote:Command", "client-2-configure");
        assert.ok(
            /proxySources[": ]+192\.168\.255\.0\/24/.test(told(configure)),
            "HAProxy is told of the NodeBalancer",
        );
        assert.equal(rulesOf(known, "server-1")[0], "operators-tcp 22, 4643, 8501 203.0.113.7/32");
    });

    it("says what to set when nobody can say which address operators come from", async () => {
        const { GATEHOUSE_ADDRESS_URL: url } = process.env;
        process.env["GATEHOUSE_ADDRESS_URL"] = `http://127.0.0.1:${await freePort()}`;
        try {
            await assert.rejects(run(), /gatehouse:linode\.operators: .*ECONNREFUSED.*name your networks/);
        } finally {
            process.env["GATEHOUSE_ADDRESS_URL"] = url;
        }
    });

    it("says so when another program has the port that images are pushed to; a preview does not mind", async () => {
        const taken = net.createServer();
        await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
        const { port } = taken.address() as net.AddressInfo;
        try {
            await run({ ports: { registry: port } }, { preview: true });
            await assert.rejects(
                run({ ports: { registry: port } }),
                /gatehouse:ports\.registry: .*another program has; stop that, or choose another port/,
            );
        } finally {
            taken.close();
        }
    });
});

/** The texts that a command is given, with what its program unpacks. */
function told({ inputs }: Registered): string {
    const texts = Object.values(inputs).filter((value): value is string => typeof value === "string");
    return texts.map(unpacked).join("\n").replaceAll("\\", "");
}

import * as assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as path from "node:path";
import * as tls from "node:tls";

import type { PortName } from "../../../components/security/ports";
import { imageReference } from "../../../toolchain/images";
import { run } from "../../support/command";
import { isLoopback, listenersOf, rowOf } from "../../support/listeners";
import { eventually } from "../../support/poll";
import { lab, machines, servers } from "../../support/routed-lab";

/** What machines of the lab listen on beyond loopback, by the port table's names. */
const everywhere: PortName[] = ["ssh", "dns", "http", "consulGossip"];
const expected = (machine: string): PortName[] => [
    ...everywhere,
    ...(servers.includes(machine)
        ? (["consulServer", "nomadRpc", "nomadGossip"] as const)
        : (["nomadHttp"] as const)),
    ...(machine === "server-1" ? (["consulHttps", "nomadOperators"] as const) : []),
];

/** What countdash's job asks for on the first client. */
const dashboard = 9002;

interface Probe {
    host: string;
    port: number;
    /** Bytes before TLS, hexadecimal. */
    first?: string;
    tls?: boolean;
    certificate?: string;
    key?: string;
    /** Bytes to say, hexadecimal. */
    say?: string;
}

describe("routed lab: nobody without a certificate, a key, a token", function () {
    this.timeout("10m");

    before("bring it up", () => lab.ensureUp());

    const probe = async (
        machine: string,
        probes: Probe[],
    ): Promise<{ connected: boolean; answer: string; error: string }[]> => {
        const script = readFileSync(path.join(__dirname, "../../support/tls-probe.py"), "utf8");
        return JSON.parse(await lab.feed(machine, script, ["python3", "-", JSON.stringify(probes)]));
    };

    it("listens where the port table says, and nowhere else", async () => {
        for (const machine of machines) {
            const open = (await listenersOf(lab, machine)).filter((each) => !isLoopback(each));
            const own = open.filter(({ port }) => !(machine === "client-1" && port === dashboard));
            const unknown = own.filter((each) => rowOf(each) === undefined);
            assert.deepEqual(unknown, [], `${machine} listens on what the table does not have`);
            const rows = new Set(own.map((each) => rowOf(each) as PortName));
            // Whether a task has a port here depends on where it was placed.
            rows.delete("nomadDynamic");
            assert.deepEqual([...rows].sort(), expected(machine).sort(), machine);
            const gossip = own.filter((each) => rowOf(each) === "consulGossip");
            assert.deepEqual(gossip.map(({ protocol }) => protocol).sort(), ["tcp", "udp"], machine);
        }
    });

    it("keeps Consul's API, its DNS, HAProxy's statistics and its counters on loopback", async () => {
        for (const machine of machines) {
            const all = await listenersOf(lab, machine);
            for (const port of [8500, 8502, 8600, 1936, 9101]) {
                const found = all.filter((each) => each.port === port);
                assert.ok(found.length > 0, `nobody listens on ${port} of ${machine}`);
                assert.ok(found.every(isLoopback), `${machine}: ${JSON.stringify(found)}`);
            }
        }
        const host = lab.address("client-1");
        const probes = await probe(
            "server-2",
            [8500, 1936].map((port) => ({ host, port, tls: false })),
        );
        assert.deepEqual(
            probes.map(({ error }) => /refused/i.test(error)),
            [true, true],
            JSON.stringify(probes),
        );
    });

    it("lets nobody speak to the servers without a certificate of the cluster", async () => {
        const host = lab.address("server-1");
        // Consul: TLS is announced by 3; then a session of yamux (4), whose ping is answered.
        const consul = { host, port: 8300, say: "0400020001000000000000000a" };
        // Nomad: TLS is 4; then RPC (1), the request `Status.Ping` as MessagePack.
        const method = Buffer.from("Status.Ping").toString("hex");
        const header = Buffer.from("ServiceMethod").toString("hex");
        const nomad = {
            host,
            port: 4647,
            say: `0182ad${header}ab${method}a3${Buffer.from("Seq").toString("hex")}0080`,
        };
        const own = (agent: string): object => ({
            certificate: `/etc/${agent}.d/tls/agent.pem`,
            key: `/etc/${agent}.d/tls/agent-key.pem`,
        });
        const member = await probe("server-2", [
            { ...consul, first: "03", ...own("consul") },
            { ...nomad, first: "04", ...own("nomad") },
        ]);
        assert.ok(
            member.every(({ answer }) => answer !== ""),
            `a member is answered: ${JSON.stringify(member)}`,
        );
        const strangers: Probe[] = [
            { ...consul, first: "03" },
            { ...consul, tls: false },
            // Nomad's authority is not Consul's.
            { ...consul, first: "03", ...own("nomad") },
            { ...nomad, first: "04" },
            { ...nomad, tls: false },
            { ...nomad, first: "04", ...own("consul") },
        ];
        const answers = await probe("server-2", strangers);
        for (const [index, { connected, answer }] of answers.entries()) {
            assert.ok(connected && answer === "", `${JSON.stringify(strangers[index])} got ${answer}`);
        }
    });

    it("asks for a token wherever HTTP is spoken", async () => {
        const nomad = [
            "--cacert",
            "/etc/nomad.d/tls/ca.pem",
            "--connect-to",
            `::${lab.address("client-1")}:`,
        ];
        // From another machine.
        assert.match(await lab.ask("client-2", "https://localhost:4646/v1/jobs", ...nomad), /\n403$/);
        assert.match(await lab.ask("client-2", "http://localhost:4646/v1/jobs", ...nomad), /\n400$/);
        for (const machine of machines) {
            // Of the agent itself: what it only passes on, a server refuses.
            for (const path of ["agent/self", "jobs"]) {
                const url = `https://127.0.0.1:4646/v1/${path}`;
                const said = await lab.ask(machine, url, "--cacert", "/etc/nomad.d/tls/ca.pem");
                assert.match(said, /\n403$/, `${machine}: ${path}`);
            }
        }
        assert.match(await lab.ask("client-1", "http://127.0.0.1:8500/v1/catalog/nodes"), /^\[\]\s+200$/);
        for (const key of ["gatehouse/?recurse", "gatehouse/plan"]) {
            assert.match(await lab.ask("client-1", `http://127.0.0.1:8500/v1/kv/${key}`), /\n(403|404)$/);
        }
        assert.match(await lab.ask("server-1", "http://127.0.0.1:8500/v1/agent/self"), /\n403$/);
    });

    it("asks operators for a password and then for a token", async () => {
        for (const [api, path] of [
            ["consul", "/v1/agent/self"],
            ["nomad", "/v1/nodes"],
        ] as const) {
            const token = lab.manager(api);
            assert.equal((await lab.operators(api, path)).status, 401, api);
            assert.equal((await lab.operators(api, path, token)).status, 401, api);
            assert.equal((await lab.operators(api, path, lab.password)).status, 403, api);
            assert.equal((await lab.operators(api, path, { ...lab.password, ...token })).status, 200, api);
        }
    });

    it("speaks TLS 1.2 and later to operators, and nothing older", async () => {
        for (const api of ["consul", "nomad"] as const) {
            const port = Number(new URL(lab.url(api)).port);
            assert.equal(await handshake(port, "TLSv1.2"), "TLSv1.2");
            assert.equal(await handshake(port, "TLSv1.3"), "TLSv1.3");
            assert.match(await handshake(port, "TLSv1.1"), /PROTOCOL_VERSION/);
        }
    });

    it("encrypts gossip with a key for each, which all members have", async () => {
        interface Ring {
            WAN?: boolean;
            Keys: Record<string, number>;
            NumNodes: number;
        }
        // Members are asked by gossip, and those that have not answered within three seconds are not counted.
        const consul = await eventually("all of Consul's members have one key", async () => {
            const [lan] = (await lab.api<Ring[]>("consul", "/v1/operator/keyring")).filter(({ WAN }) => !WAN);
            assert.equal(lan?.NumNodes, machines.length);
            assert.deepEqual(Object.values(lan?.Keys ?? {}), [machines.length]);
            return lan!;
        });
        const nomad = await eventually("all of Nomad's servers have one key", async () => {
            const ring = await lab.api<Ring>("nomad", "/v1/agent/keyring/list");
            assert.deepEqual(Object.values(ring.Keys), [servers.length]);
            return ring;
        });
        const [[one = ""], [other = ""]] = [Object.keys(consul.Keys), Object.keys(nomad.Keys)];
        assert.notEqual(one, other);
        assert.deepEqual(
            [one, other].map((key) => Buffer.from(key, "base64").length),
            [32, 32],
        );
    });

    it("lets no agent in that does not have the key", async () => {
        const wrong = Buffer.alloc(32, "x").toString("base64");
        const join = `-retry-join=${lab.address("server-1")}`;
        const base = [
            "consul",
            "agent",
            "-node=stranger",
            "-data-dir=/tmp/stranger",
            "-retry-max=1",
            "-retry-interval=1s",
        ];
        for (const key of [[], [`-encrypt=${wrong}`]]) {
            const { code, output } = await stranger([...base, ...key, join]);
            assert.notEqual(code, 0, output);
            assert.match(output, /max join retry exhausted|Failed to join/i);
        }
        const server = ["nomad", "agent", "-server", "-node=stranger", "-data-dir=/tmp/stranger"];
        const { code, output } = await stranger([
            ...server,
            "-bootstrap-expect=3",
            "-retry-max=1",
            "-retry-interval=1s",
            join,
        ]);
        assert.notEqual(code, 0, output);
        assert.match(output, /max join retry exhausted/i);
        assert.ok(!("stranger" in (await lab.members())));
        const { Members } = await lab.api<{ Members: { Name: string }[] }>("nomad", "/v1/agent/members");
        assert.deepEqual(
            Members.map(({ Name }) => Name).sort(),
            servers.map((name) => `${name}.global`),
        );
    });
});

/** An agent in a container of its own in the lab's network, to its end. */
function stranger(command: string[]): Promise<{ code: number | null; output: string }> {
    const { stack } = lab;
    return run(
        "docker",
        [
            ...[
                "run",
                "--rm",
                "--name",
                stack.object("stranger"),
                "--label",
                `dev.gatehouse.stack=${stack.name}`,
            ],
            ...["--network", stack.object("network"), "--entrypoint", "timeout"],
            ...[imageReference("machine-routed"), "60", ...command],
        ],
        { timeout: 90 },
    );
}

/** The version of TLS that is agreed upon, or how it is refused. */
function handshake(port: number, version: tls.SecureVersion): Promise<string> {
    return new Promise((resolve) => {
        const socket = tls.connect({
            host: "127.0.0.1",
            port,
            servername: "localhost",
            minVersion: version,
            maxVersion: version,
            rejectUnauthorized: false,
            // Else this side would not even offer an old version.
            ciphers: "DEFAULT@SECLEVEL=0",
        });
        socket.setTimeout(5000, () => socket.destroy(new Error("no answer in time")));
        socket.once("secureConnect", () => {
            resolve(socket.getProtocol() ?? "none");
            socket.destroy();
        });
        socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
}

import * as assert from "node:assert/strict";
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { nodeBalancer, type NodeBalancerArgs } from "../../../components/balancers/node-balancer";
import { imageReference } from "../../../toolchain/images";
import { output, root as checkout, run } from "../../support/command";
import { account, balancerArgs, consulToken, makePki, operatorsArgs, type Pki, Root } from "./node-files";

describe("the configuration of a node's balancer", function () {
    this.timeout("1m");
    let pki: Pki;
    before(async () => {
        pki = await makePki();
    });

    it("is what systemd, dnsmasq, consul-template and HAProxy of the machine can read", async () => {
        const configuration = nodeBalancer(balancerArgs({ operators: operatorsArgs(pki) }));
        const root = new Root();
        try {
            root.take(configuration);
            root.write("etc/systemd/system/gatehouse.target", "[Unit]\nDescription=test\n");
            const { code, output } = await run("docker", [
                ...["run", "--rm", "--network", "none", "--volume", `${root.folder}:/document:ro`],
                ...["--entrypoint", "/bin/sh", imageReference("machine-routed"), "-euc"],
                [
                    "cp -r /document/etc /document/usr /",
                    `systemd-analyze verify --man=no ${configuration.units.map(({ name }) => name).join(" ")}`,
                    ...configuration.units.flatMap(({ check }) =>
                        check === undefined ? [] : [check.join(" ")],
                    ),
                    "for script in /usr/local/lib/gatehouse/*; do case $script in *.awk | *.lua) ;; *) sh -n $script ;; esac; done",
                    "! systemctl is-enabled haproxy.service 2> /dev/null || exit 1",
                ].join("\n"),
            ]);
            assert.equal(code, 0, output);
            assert.doesNotMatch(output, /Unknown|Failed|not found|ignoring|WARNING|ALERT/i);
        } finally {
            root.remove();
        }
    });

    it("has dnsmasq answer for services by itself, with an empty answer where there is no address", async () => {
        const root = new Root();
        try {
            root.take(nodeBalancer(balancerArgs()));
            // Nobody is there: a question that goes there has no good answer.
            root.write("run/dnsmasq/upstream.conf", "nameserver 127.0.0.99\n");
            root.write("ask.py", ask);
            const { code, output } = await run("docker", [
                ...["run", "--rm", "--network", "none", "--volume", `${root.folder}:/document:ro`],
                ...["--entrypoint", "/bin/sh", imageReference("machine-routed"), "-euc"],
                "cp -r /document/etc /document/run / && dnsmasq && python3 /document/ask.py",
            ]);
            assert.equal(code, 0, output);
            const [a, aaaa, txt, https] = [1, 28, 16, 65];
            assert.deepEqual(JSON.parse(output), {
                [`web.service ${a}`]: "0 10.218.0.21",
                [`web.service ${aaaa}`]: "0 ",
                [`web.service ${txt}`]: "0 ",
                [`web.service ${https}`]: "0 ",
                [`other.example ${a}`]: "no answer",
            });
        } finally {
            root.remove();
        }
    });

    it("has its secrets in files that only root reads, and nowhere else", () => {
        const { files, units } = nodeBalancer(
            balancerArgs({ discovery: "events", operators: operatorsArgs(pki) }),
        );
        const secrets = [consulToken, account.password, "PRIVATE KEY"];
        const secret = files.filter(({ content }) => secrets.some((each) => content.includes(each)));
        assert.deepEqual(secret.map(({ path }) => path).sort(), [
            "/etc/consul-template/balancer.json",
            "/etc/consul-template/token",
            "/etc/haproxy/bootstrap.cfg",
            "/etc/haproxy/operators.pem",
        ]);
        for (const { mode, owner } of secret) {
            assert.deepEqual({ mode, owner }, { mode: "0600", owner: "root:root" });
        }
        assert.doesNotMatch(JSON.stringify(units), new RegExp(secrets.join("|")));
    });

    it("changes settings without a restart of anything but what has to read them anew", () => {
        const changed = (change: Partial<NodeBalancerArgs>): string[] => {
            const before = new Map(
                nodeBalancer(balancerArgs()).files.map(({ path, content }) => [path, content]),
            );
            return nodeBalancer(balancerArgs(change))
                .files.filter(({ path, content }) => before.get(path) !== content)
                .map(
                    ({ path, unit }) => `${path} ${unit === undefined ? "-" : `${unit.change} ${unit.name}`}`,
                );
        };
        const settings = "/etc/consul-template/balancer.json reload haproxy.service";
        for (const change of [
            { preferLocal: true },
            { discovery: "events" as const },
            { stats: { ...account, user: "x" } },
        ]) {
            assert.deepEqual(changed(change), [settings]);
        }
        assert.deepEqual(changed({ guard: { holdSeconds: 1 } }), [
            "/etc/consul-template/guard.env restart consul-template.service",
        ]);
        assert.deepEqual(changed({ operators: operatorsArgs(pki) }), [
            "/etc/haproxy/bootstrap.cfg reload haproxy.service",
            "/etc/haproxy/operators.pem reload haproxy.service",
            "/etc/haproxy/nomad-ca.pem reload haproxy.service",
            settings,
        ]);
    });

    it("refuses what cannot be, all at once, and without a secret", () => {
        const wrong: NodeBalancerArgs = {
            node: { name: "Node", address: "::1" },
            network: "10.218.0.0",
            consulToken: "s3cret",
            domain: "a.b",
            stats: { user: "", password: "s3cret word" },
            guard: { minimumShare: 2, holdSeconds: 0.5, reloadBurst: 20, reloadGapMilliseconds: 100 },
            operators: {
                certificate: { certPem: "", keyPem: "s3cret" },
                user: "a:b",
                password: "s3cret\n",
                nomad: { caPem: "", serverName: "a b" },
            },
        };
        assert.throws(
            () => nodeBalancer(wrong),
            (error: Error) => {
                for (const path of [
                    ...["node.name", "node.address", "network", "consulToken", "domain", "stats.user"],
                    ...[
                        "stats.password",
                        "guard.minimumShare",
                        "guard.holdSeconds",
                        "guard",
                        "operators.user",
                    ],
                    ...[
                        "operators.password",
                        "operators.certificate.certPem",
                        "operators.certificate.keyPem",
                    ],
                    ...["operators.nomad.caPem", "operators.nomad.serverName"],
                ]) {
                    assert.ok(error.message.includes(` ${path}: `), `${path} is not in: ${error.message}`);
                }
                assert.doesNotMatch(error.message, /s3cret/);
                return true;
            },
        );
    });
});

/** Prints for each name and type the answer's code and its last four bytes, if there is one, as an address. */
const ask = `
import json, socket, struct
seen = {}
for name, kind in [("web.service", 1), ("web.service", 28), ("web.service", 16), ("web.service", 65), ("other.example", 1)]:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1 if name == "other.example" else 5)
        client.sendto(struct.pack(">6H", kind, 0x100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1), ("127.0.0.1", 53))
        try:
            answer = client.recv(512)
            count = struct.unpack(">H", answer[6:8])[0]
            said = f"{answer[3] & 15} " + (socket.inet_ntoa(answer[-4:]) if count else "")
        except socket.timeout:
            said = "no answer"
    seen[f"{name} {kind}"] = said
print(json.dumps(seen))
`;

describe("resolver, which remembers whom a machine asked for names", () => {
    let folder: string;
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "gatehouse-resolver-"));
        for (const each of ["etc", "run/dnsmasq", "run/systemd/resolve", "var/lib/gatehouse-resolver"]) {
            mkdirSync(join(folder, each), { recursive: true });
        }
        write("etc/dnsmasq.conf", "listen-address=127.0.0.1,10.218.0.21\n");
    });
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    const write = (path: string, content: string): void => writeFileSync(join(folder, path), content);
    const read = (path: string): string => readFileSync(join(folder, path), "utf8");
    const resolver = (mode: string): Promise<string> =>
        output("sh", [join(checkout, "components/balancers/node/resolver"), mode], {
            env: { ...process.env, RESOLVER_ROOT: folder },
        });
    const start = async (): Promise<void> => {
        await resolver("upstream");
        await resolver("use");
    };

    it("asks those of /etc/resolv.conf, and puts itself there with its other lines", async () => {
        write("etc/resolv.conf", "search lab.example\nnameserver 127.0.0.11\noptions ndots:0\n");
        await start();
        assert.equal(read("run/dnsmasq/upstream.conf"), "nameserver 127.0.0.11\n");
        assert.equal(
            read("etc/resolv.conf").replace(/^#.*\n/gm, ""),
            "search lab.example\noptions ndots:0\nnameserver 127.0.0.1\n",
        );
    });

    it("writes the file in place, as one that is mounted has to be", async () => {
        write("etc/resolv.conf", "nameserver 10.0.0.2\n");
        const { ino } = lstatSync(join(folder, "etc/resolv.conf"));
        await start();
        await resolver("give-back");
        assert.equal(lstatSync(join(folder, "etc/resolv.conf")).ino, ino);
        assert.equal(read("etc/resolv.conf"), "nameserver 10.0.0.2\n");
    });

    it("never asks itself, however often it is started", async () => {
        write("etc/resolv.conf", "nameserver 10.0.0.2\nnameserver 10.0.0.3\n");
        await start();
        const once = read("etc/resolv.conf");
        for (let again = 0; again < 2; again++) {
            await start();
            assert.equal(read("run/dnsmasq/upstream.conf"), "nameserver 10.0.0.2\nnameserver 10.0.0.3\n");
            assert.equal(read("etc/resolv.conf"), once);
        }
        write("etc/resolv.conf", "nameserver 10.218.0.21\nnameserver ::1\nnameserver 10.0.0.4\n");
        await start();
        assert.equal(read("run/dnsmasq/upstream.conf"), "nameserver 10.0.0.4\n");
    });

    it("takes systemd-resolved's place: its servers, and a file instead of its link", async () => {
        write("run/systemd/resolve/stub-resolv.conf", "nameserver 127.0.0.53\noptions edns0\n");
        write("run/systemd/resolve/resolv.conf", "nameserver 10.0.0.2\nsearch lab.example\n");
        symlinkSync("../run/systemd/resolve/stub-resolv.conf", join(folder, "etc/resolv.conf"));
        await start();
        assert.equal(read("run/dnsmasq/upstream.conf"), "nameserver 10.0.0.2\n");
        assert.match(read("etc/resolv.conf"), /^search lab.example\nnameserver 127.0.0.1$/m);
        assert.ok(!lstatSync(join(folder, "etc/resolv.conf")).isSymbolicLink());
        assert.match(read("run/systemd/resolve/stub-resolv.conf"), /127.0.0.53/);
        // After a reboot systemd-resolved is not there.
        rmSync(join(folder, "run/systemd"), { recursive: true });
        rmSync(join(folder, "run/dnsmasq/upstream.conf"));
        await start();
        assert.equal(read("run/dnsmasq/upstream.conf"), "nameserver 10.0.0.2\n");
    });

    it("goes on without anybody to ask", async () => {
        write("etc/resolv.conf", "");
        await start();
        assert.equal(read("run/dnsmasq/upstream.conf"), "\n");
        assert.match(read("etc/resolv.conf"), /^nameserver 127.0.0.1$/m);
    });
});

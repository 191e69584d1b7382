import * as assert from "node:assert/strict";
import { once } from "node:events";
import * as net from "node:net";

import { judgeAnswer, onDebian } from "../../../toolchain/docker";
import { compare, dockerFindings } from "../../../toolchain/doctor";
import { matches } from "../../../toolchain/packages";
import { hostOffset } from "../../../components/machines/addresses";
import { parseRoutes, portFindings, publishes, subnetFindings } from "../../../toolchain/preflight";
import { wantedPorts } from "../../../toolchain/ports";
import { Progress } from "../../../toolchain/progress";

describe("port check", () => {
    let server: net.Server;
    let port: number;
    before(async () => {
        server = net.createServer().listen(0, "127.0.0.1");
        await once(server, "listening");
        port = (server.address() as net.AddressInfo).port;
    });
    after(() => server.close());

    it("names the setting, the port, who has it, and the remedy", async () => {
        const [finding, ...more] = await portFindings("dev", [{ name: "webapp", port }], []);
        assert.deepEqual(more, []);
        assert.equal(finding?.level, "blocking");
        assert.match(
            finding?.what ?? "",
            new RegExp(`^gatehouse:ports\\.webapp: port ${port} is already taken by `),
        );
        assert.match(finding?.remedy ?? "", /pulumi config set --path gatehouse:ports\.webapp/);
        if (process.platform === "linux" && process.getuid?.() === 0) {
            assert.match(finding?.what ?? "", new RegExp(`process ${process.pid}`));
        }
    });

    it("covers the endpoints and the machines' SSH, by the numbers that the program gives them", () => {
        const settings = { ports: { webapp: 8000, ssh: 2200 }, servers: { count: 3 }, clients: { count: 1 } };
        assert.deepEqual(
            wantedPorts(settings).map(({ name, port }) => [name, port]),
            [
                ["webapp", 8000],
                ...["server-1", "server-2", "server-3", "client-1"].map((machine) => [
                    "ssh",
                    2200 + hostOffset(machine),
                ]),
            ],
        );
        assert.match(wantedPorts(settings)[1]?.use ?? "", /ssh \+ 11, for server-1/);
    });

    it("leaves settings that are no ports to the program", () => {
        const settings = {
            ports: { webapp: "x", ssh: "y" },
            servers: { count: -1 },
            clients: { count: "many" },
        };
        assert.deepEqual(wantedPorts(settings), []);
        assert.deepEqual(wantedPorts({}), []);
    });

    it("lets a stack keep the ports of its own machines, and names another's container", async () => {
        const container = {
            name: "gatehouse-dev-server-1",
            stack: "gatehouse/dev",
            ports: `127.0.0.1:${port}->80/tcp`,
        };
        assert.deepEqual(await portFindings("dev", [{ name: "webapp", port }], [container]), []);
        const [finding] = await portFindings("other", [{ name: "webapp", port }], [container]);
        assert.match(finding?.what ?? "", /the container gatehouse-dev-server-1$/);
    });

    it("finds a free port free", async () => {
        const probe = net.createServer().listen(0, "127.0.0.1");
        await once(probe, "listening");
        const free = (probe.address() as net.AddressInfo).port;
        probe.close();
        await once(probe, "close");
        assert.deepEqual(await portFindings("dev", [{ name: "webapp", port: free }], []), []);
    });

    it("reads docker ps", () => {
        const container = {
            name: "c",
            stack: "/",
            ports: "127.0.0.1:8000->80/tcp, :::9000-9002->9000-9002/tcp, 5000/tcp",
        };
        for (const [candidate, expected] of [
            [8000, true],
            [9001, true],
            [80, false],
            [5000, false],
            [9003, false],
        ] as const) {
            assert.equal(publishes(container, candidate), expected, String(candidate));
        }
    });
});

describe("subnet check", () => {
    const routes = [
        { device: "eth0", subnet: "192.168.1.0/24" },
        { device: "tun0", subnet: "10.0.0.0/8" },
    ];
    const check = (subnet: string | undefined, networks: Parameters<typeof subnetFindings>[2] = []) =>
        subnetFindings("dev", subnet, networks, routes);

    it("refuses what a Docker network has, by name", () => {
        const [finding] = check("10.213.0.0/24", [
            { name: "other", stack: "/", subnets: ["10.213.0.128/25"] },
        ]);
        assert.equal(finding?.level, "blocking");
        assert.match(
            finding?.what ?? "",
            /gatehouse:network\.subnet: 10\.213\.0\.0\/24 overlaps 10\.213\.0\.128\/25 of the Docker network other/,
        );
        assert.match(finding?.remedy ?? "", /gatehouse:network\.subnet/);
    });

    it("refuses the network that this computer is in", () => {
        assert.equal(check("192.168.1.0/24")[0]?.level, "blocking");
        assert.equal(check("192.168.0.0/16")[0]?.level, "blocking");
    });

    it("only warns inside a wide route such as a VPN's", () => {
        assert.equal(check("10.213.0.0/24")[0]?.level, "warning");
    });

    it("finds nothing wrong with its own network, with others, and with what is not a subnet", () => {
        assert.deepEqual(
            check("10.213.0.0/24", [{ name: "n", stack: "gatehouse/dev", subnets: ["10.213.0.0/24"] }]),
            [],
        );
        assert.deepEqual(check("172.20.0.0/24", [{ name: "n", stack: "/", subnets: ["172.20.1.0/24"] }]), []);
        assert.deepEqual(check("tomorrow"), []);
        assert.deepEqual(check(undefined), []);
    });

    it("reads the kernel's table", () => {
        const table =
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n" +
            "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
            "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n" +
            "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n" +
            "tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n";
        assert.deepEqual(parseRoutes(table), [
            { device: "eth0", subnet: "192.168.1.0/24" },
            { device: "tun0", subnet: "10.0.0.0/8" },
        ]);
    });
});

describe("Docker's answer", () => {
    it("tells a missing permission from a missing engine", () => {
        const denied =
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock";
        assert.equal(judgeAnswer({ code: 1, stderr: denied }), "not permitted");
        assert.equal(
            judgeAnswer({ code: 1, stderr: "Got permission denied while trying to connect" }),
            "not permitted",
        );
        assert.equal(judgeAnswer({ code: 1, stderr: "Cannot connect to the Docker daemon" }), "no engine");
        assert.equal(judgeAnswer({ code: 0, stderr: "" }), "answers");
    });

    it("is blocking in the doctor when the user may not ask", () => {
        const [finding] = dockerFindings({ state: "not permitted", images: new Set(), message: "" });
        assert.equal(finding?.level, "blocking");
        assert.match(finding?.remedy ?? "", /usermod -aG docker/);
    });

    it("is installed by this program on Debian's family only", () => {
        assert.ok(onDebian('ID=debian\nVERSION_ID="12"\n'));
        assert.ok(onDebian("ID=ubuntu\nID_LIKE=debian\n"));
        assert.ok(onDebian('ID=linuxmint\nID_LIKE="ubuntu debian"\n'));
        assert.ok(!onDebian('ID=fedora\nHOME_URL="https://debian.example"\n'));
    });
});

describe("the doctor", () => {
    it("warns about little, and stops at next to nothing", () => {
        const level = (found: number) => compare("memory", found, 4, String, "buy some").level;
        assert.deepEqual([8, 4, 3, 1, 0.9].map(level), ["ok", "ok", "warning", "warning", "blocking"]);
        assert.deepEqual(compare("memory", 1, 4, String, "buy some"), {
            level: "warning",
            what: "memory: 1, recommended are 4",
            remedy: "buy some",
        });
    });
});

describe("installed Node packages", () => {
    const wanted = {
        "": {},
        "sdks/nomad": { version: "1.0.0" },
        "node_modules/a": { version: "1.0.0", integrity: "x" },
        "node_modules/other-platform": { version: "1.0.0", integrity: "y", optional: true },
        "node_modules/@pulumi/nomad": { link: true },
    };
    const present = {
        "node_modules/a": { version: "1.0.0", integrity: "x" },
        "node_modules/@pulumi/nomad": { link: true },
    };

    it("match without what is for other platforms", () => {
        assert.ok(matches(wanted, present));
    });

    it("do not match with another version, other content, or a package less", () => {
        assert.ok(!matches(wanted, { ...present, "node_modules/a": { version: "1.0.1", integrity: "x" } }));
        assert.ok(!matches(wanted, { ...present, "node_modules/a": { version: "1.0.0", integrity: "z" } }));
        assert.ok(!matches(wanted, { "node_modules/@pulumi/nomad": { link: true } }));
        const stale = { ...present, "node_modules/other-platform": { version: "0.9.0", integrity: "y" } };
        assert.ok(!matches(wanted, stale));
    });
});

describe("progress without a terminal", () => {
    it("is plain lines with the time, and silence about what was quick", async () => {
        const written: string[] = [];
        let now = 0;
        const progress = new Progress({
            stream: { write: (text: string) => written.push(text) },
            now: () => now,
        });
        await progress.task("quick", async () => {});
        await progress.task("tool", async (step) => {
            step.update("not shown on its own");
            now += 2500;
            step.say("building");
            now += 60_000;
        });
        await assert.rejects(progress.task("broken", () => Promise.reject(new Error("x"))));
        assert.deepEqual(written, [
            "[   3 s] tool: building\n",
            "[  63 s] tool: done in 1 min 3 s\n",
            "[  63 s] broken: failed in 0.0 s\n",
        ]);
    });

    it("keeps a whole shell script from becoming a line", () => {
        const written: string[] = [];
        const progress = new Progress({ stream: { write: (text: string) => written.push(text) } });
        progress.speak({ name: "image", detail: "x".repeat(5000), spoke: 0 });
        assert.ok((written[0]?.length ?? 0) < 200);
    });
});

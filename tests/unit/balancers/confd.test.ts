import * as assert from "node:assert/strict";
import { join } from "node:path";

import {
    entriesSettings,
    etcdBalancer,
    type EtcdBalancerArgs,
} from "../../../components/balancers/etcd-balancer";
import { imageReference } from "../../../toolchain/images";
import { output, root as checkout, run } from "../../support/command";
import { account, etcdBalancerArgs } from "./etcd-machine";
import { makePki, Root } from "./node-files";

describe("the configuration of a balancer for etcd", function () {
    this.timeout("1m");

    for (const discovery of ["watch", "events"] as const) {
        it(`is what systemd, haproxy-entries and HAProxy of the machine can read, by ${discovery}`, () =>
            readable(etcdBalancerArgs({ discovery })));
    }

    async function readable(args: EtcdBalancerArgs): Promise<void> {
        const configuration = etcdBalancer(args);
        const pki = await makePki();
        const root = new Root();
        try {
            root.take(configuration);
            root.write("etc/systemd/system/gatehouse.target", "[Unit]\nDescription=test\n");
            root.write("etc/etcd/client.pem", pki.certificate);
            root.write("etc/etcd/client-key.pem", pki.key);
            root.write("etc/etcd/client-ca.pem", pki.ca);
            const { code, output } = await run("docker", [
                ...["run", "--rm", "--network", "none", "--volume", `${root.folder}:/document:ro`],
                ...["--entrypoint", "/bin/sh", imageReference("machine-etcd"), "-euc"],
                [
                    "cp -r /document/etc /document/usr /",
                    `systemd-analyze verify --man=no ${configuration.units.map(({ name }) => name).join(" ")}`,
                    ...configuration.units.flatMap(({ check }) =>
                        check === undefined ? [] : [check.map((each) => `'${each}'`).join(" ")],
                    ),
                    "for script in /usr/local/lib/gatehouse/confd-run /usr/local/lib/gatehouse/haproxy-refresh; do",
                    "! [ -e $script ] || sh -n $script; done",
                ].join("\n"),
            ]);
            assert.equal(code, 0, output);
            assert.doesNotMatch(output, /Unknown|Failed|not found|ignoring|WARNING|ALERT/i);
        } finally {
            root.remove();
        }
    }

    it("has its secrets in files that only root reads, and nowhere else", () => {
        const args = etcdBalancerArgs();
        const { files, units } = etcdBalancer(args);
        const secrets = [args.etcd.password, account.password];
        const secret = files.filter(({ content }) => secrets.some((each) => content.includes(each)));
        assert.deepEqual(secret.map(({ path }) => path).sort(), [
            "/etc/confd/confd.toml",
            "/etc/confd/haproxy.cfg",
        ]);
        for (const { mode, owner } of secret) {
            assert.deepEqual({ mode, owner }, { mode: "0600", owner: "root:root" });
        }
        assert.doesNotMatch(JSON.stringify(units), new RegExp(secrets.join("|")));
    });

    it("changes settings without a restart of anything but what has to read them anew", () => {
        const files = (change: Partial<EtcdBalancerArgs>): Map<string, string> =>
            new Map(
                etcdBalancer(etcdBalancerArgs(change)).files.map(({ path, content, unit }) => [
                    `${path} ${unit === undefined ? "-" : `${unit.change} ${unit.name}`}`,
                    content,
                ]),
            );
        const before = files({});
        const changed = (change: Partial<EtcdBalancerArgs>): string[] =>
            [...files(change)]
                .filter(([path, content]) => before.get(path) !== content)
                .map(([path]) => path);
        assert.deepEqual(changed({ stats: { ...account, user: "x" } }), [
            "/etc/confd/haproxy.cfg reload haproxy.service",
        ]);
        assert.deepEqual(changed({ excluded: ["10.219.0.99"] }), [
            "/etc/confd/entries.json reload haproxy.service",
        ]);
        for (const discovery of ["interval"] as const) {
            assert.deepEqual(changed({ discovery }), ["/etc/confd/confd.toml restart confd.service"]);
        }
        assert.deepEqual(changed({ guard: { holdSeconds: 1 } }), [
            "/etc/confd/guard.env restart confd.service",
        ]);
    });

    it("refuses what cannot be, all at once, and without a secret", () => {
        const wrong: EtcdBalancerArgs = {
            node: { name: "Node", address: "::1" },
            etcd: {
                endpoints: ["http://10.219.0.11:2379"],
                caFile: "ca.pem",
                certificateFile: "/a b",
                keyFile: "",
                user: "a b",
                password: "",
            },
            application: {
                name: "Web app",
                ports: { from: 10, to: 9 },
                healthPath: "health\n",
                sessionCookie: "a;b",
                maxServers: 0,
            },
            network: "10.219.0.1/24",
            excluded: ["everybody"],
            intervalSeconds: 0.5,
            stats: { user: "", password: "s3cret word" },
            guard: { minimumShare: 2 },
        };
        assert.throws(
            () => etcdBalancer(wrong),
            (error: Error) => {
                for (const path of [
                    ...[
                        "node.name",
                        "node.address",
                        "etcd.endpoints[0]",
                        "etcd.caFile",
                        "etcd.certificateFile",
                    ],
                    ...[
                        "etcd.keyFile",
                        "etcd.user",
                        "etcd.password",
                        "application.name",
                        "application.ports",
                    ],
                    ...["application.healthPath", "application.sessionCookie", "application.maxServers"],
                    ...["network", "excluded[0]", "intervalSeconds", "stats.user", "stats.password"],
                    "guard.minimumShare",
                ]) {
                    assert.ok(error.message.includes(`  ${path}: `), `${path} is not in\n${error.message}`);
                }
                assert.doesNotMatch(error.message, /s3cret/);
                return true;
            },
        );
        assert.throws(
            () => etcdBalancer(etcdBalancerArgs({ etcd: { ...wrong.etcd, endpoints: [] } })),
            /etcd\.endpoints: /,
        );
    });
});

/** The program itself, which takes what anybody has written for what it is. */
describe("entries of etcd's", () => {
    const settings = entriesSettings(
        etcdBalancerArgs({
            application: { name: "webapp", ports: { from: 9000, to: 9099 }, maxServers: 3 },
            excluded: ["10.219.0.99"],
        }),
    );
    const load = `
import importlib.machinery, importlib.util, json, sys
loader = importlib.machinery.SourceFileLoader("entries", sys.argv[1])
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("entries", loader))
sys.dont_write_bytecode = True
loader.exec_module(module)
settings, entries = json.load(sys.stdin)
print(json.dumps(module.usable(entries, settings)))
`;
    type Entry = [key: string, value: string];

    async function usable(
        ...entries: Entry[]
    ): Promise<[servers: [string, string, number][], out: Record<string, string>]> {
        const program = join(checkout, "components/balancers/confd/haproxy-entries");
        const input = JSON.stringify([settings, entries]);
        return JSON.parse(await output("python3", ["-c", load, program], { input }));
    }

    const entry = (n: number | string, address: string): Entry => [
        `/apps/webapp/webapp@${n}.service`,
        `webapp-${n} ${address}`,
    ];

    it("count when they are well-formed, in the order of their numbers", async () => {
        const [servers, out] = await usable(entry(10, "10.219.0.22:9099"), entry(2, "10.219.0.21:9000"));
        assert.deepEqual(servers, [
            ["webapp-2", "10.219.0.21", 9000],
            ["webapp-10", "10.219.0.22", 9099],
        ]);
        assert.deepEqual(out, {});
    });

    const good = "10.219.0.21:9000";
    const wrong: Record<string, Entry[]> = {
        "the key is not": [
            ["/apps/webapp/webapp@1", `webapp-1 ${good}`],
            ["/apps/webapp/webapp@1.service\n", `webapp-1 ${good}`],
            ["/apps/webapp/x/webapp@1.service", `webapp-1 ${good}`],
            ["/apps/webapp/other@1.service", `other-1 ${good}`],
            entry("01", good),
            entry("", good),
            entry("-1", good),
            entry("1234567", good),
            entry("١", good),
        ],
        "the value is not": [
            ["/apps/webapp/webapp@1.service", `webapp-2 ${good}`],
            ["/apps/webapp/webapp@1.service", ""],
            ["/apps/webapp/webapp@1.service", "\ufffd"],
            entry(1, `${good} `),
            entry(1, `${good}\n`),
            entry(1, `${good}\r`),
            entry(1, `${good} check disabled`),
            entry(1, "10.219.0.021:9000"),
            entry(1, "10.219.21:9000"),
            entry(1, "[::1]:9000"),
            entry(1, "localhost:9000"),
            entry(1, "10.219.0.21:0"),
            entry(1, "10.219.0.21:+9000"),
            entry(1, "10.219.0.٢١:9000"),
            entry(1, '"10.219.0.21":9000'),
        ],
        "the address is none": [
            ...["10.219.1.21", "169.254.169.254", "127.0.0.1", "0.0.0.0"].map((address) =>
                entry(1, `${address}:9000`),
            ),
            // The balancer's own, a member's, an excluded one, the network's and everybody's.
            ...[31, 11, 12, 99, 0, 255].map((host) => entry(1, `10.219.0.${host}:9000`)),
        ],
        "the port is none": [
            entry(1, "10.219.0.21:8999"),
            entry(1, "10.219.0.21:9100"),
            entry(1, "10.219.0.21:99999"),
        ],
    };
    for (const [reason, entries] of Object.entries(wrong)) {
        it(`are left out because ${reason} …`, async () => {
            for (const each of entries) {
                const [servers, out] = await usable(each, entry(7, "10.219.0.27:9007"));
                assert.deepEqual(servers, [["webapp-7", "10.219.0.27", 9007]], JSON.stringify(each));
                assert.ok(
                    out[each[0]]?.startsWith(reason),
                    `${JSON.stringify(each)}: ${JSON.stringify(out)}`,
                );
            }
        });
    }

    it("are left out where they say what another does, or where there are enough", async () => {
        const [servers, out] = await usable(
            entry(5, "10.219.0.25:9000"),
            entry(4, "10.219.0.24:9000"),
            entry(3, "10.219.0.21:9000"),
            entry(2, "10.219.0.21:9000"),
            entry(1, "10.219.0.21:9001"),
        );
        assert.deepEqual(
            servers.map(([name]) => name),
            ["webapp-1", "webapp-2", "webapp-4"],
        );
        assert.deepEqual(out, {
            "/apps/webapp/webapp@3.service": "another entry has this address and port",
            "/apps/webapp/webapp@5.service": "there are 3 already",
        });
    });
});

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
                    "refresh=/usr/local/lib/gatehouse/haproxy-refresh; ! [ -e $refresh ] || sh -n $refresh",
                    "runner=/usr/local/lib/gatehouse/confd-run",
                    "! [ -e $runner ] || python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' $runner",
                ].join("\n"),
            ]);
            assert.equal(code, 0, output);
            assert.doesNotMatch(output, /Unknown|Failed|not found|ignoring|WARNING|ALERT/i);
        } finally {
            root.remove();
        }
    }

    for (const [discovery, expected] of [
        ["watch", ["/etc/confd/confd.toml", "/etc/confd/haproxy.cfg"]],
        ["events", ["/etc/confd/haproxy.cfg", "/etc/haproxy/bootstrap.cfg"]],
    ] as const) {
        it(`has its secrets in files that only root reads, and nowhere else, by ${discovery}`, () => {
            const args = etcdBalancerArgs({ discovery });
            const { files, units } = etcdBalancer(args);
            const secrets = [args.etcd.password, account.password];
            const secret = files.filter(({ content }) => secrets.some((each) => content.includes(each)));
            assert.deepEqual(secret.map(({ path }) => path).sort(), expected);
            for (const { mode, owner } of secret) {
                assert.deepEqual({ mode, owner }, { mode: "0600", owner: "root:root" });
            }
            assert.doesNotMatch(JSON.stringify(units), new RegExp(secrets.join("|")));
        });
    }

    it("changes nothing of a unit that is not there", () => {
        for (const discovery of ["watch", "interval", "events"] as const) {
            const { files, units } = etcdBalancer(etcdBalancerArgs({ discovery }));
            const names = units.map(({ name }) => name);
            for (const { path, unit } of files) {
                assert.ok(
                    unit === undefined || names.includes(unit.name),
                    `${discovery}: ${path}: ${unit?.name}`,
                );
            }
        }
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
        // confd, which has read them, alone.
        assert.deepEqual(changed({ etcdFiles: "0123" }), ["/etc/confd/confd.toml restart confd.service"]);
        const lua = (etcdFiles: string) => files({ discovery: "events", etcdFiles });
        assert.deepEqual(
            [...lua("4567")]
                .filter(([path, content]) => lua("0123").get(path) !== content)
                .map(([path]) => path),
            [
                "/etc/haproxy/bootstrap.cfg reload haproxy.service",
                "/etc/confd/haproxy.cfg reload haproxy.service",
            ],
        );
        assert.deepEqual(changed({ excluded: ["10.219.0.99"] }), [
            "/etc/confd/entries.json reload haproxy.service",
        ]);
        assert.deepEqual(changed({ discovery: "interval" }), ["/etc/confd/confd.toml restart confd.service"]);
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

type Entry = [key: string, value: string];
type Believed = [servers: [string, string, number][], out: Record<string, string>];

const settings = entriesSettings(
    etcdBalancerArgs({
        application: { name: "webapp", ports: { from: 9000, to: 9099 }, maxServers: 3 },
        excluded: ["10.219.0.99"],
    }),
);

/** `haproxy-entries` itself. */
async function asked(all: Entry[][]): Promise<Believed[]> {
    const load = `
import importlib.machinery, importlib.util, json, sys
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("entries", sys.argv[1])
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("entries", loader))
loader.exec_module(module)
settings, all = json.load(sys.stdin)
print(json.dumps([module.usable(entries, settings) for entries in all]))
`;
    const program = join(checkout, "components/balancers/confd/haproxy-entries");
    const input = JSON.stringify([settings, all]);
    return JSON.parse(await output("python3", ["-c", load, program], { input })) as Believed[];
}

/** The Lua that HAProxy loads, in HAProxy: keys and values in base64, as etcd has them. */
async function askedInHaproxy(all: Entry[][]): Promise<Believed[]> {
    const script = `
local json, base64 = require("cjson"), dofile("/lua/base64.lua")
local file = io.open("/test/input.json")
local input = json.decode(file:read("a"))
file:close()
local read = dofile("/lua/entries.lua").reader(input.settings)
for _, entries in ipairs(input.all) do
    local list = {}
    for n, each in ipairs(entries) do
        list[n] = { key = base64.decode(each[1]), value = base64.decode(each[2]) }
        assert(base64.encode(list[n].key) == each[1])
    end
    local answer = read(list)
    local servers, out = {}, {}
    for _, each in ipairs(answer.wanted) do
        assert(answer.known[each.key] == "wanted")
        table.insert(servers, { "webapp-" .. each.number, each.address, tonumber(each.port) })
    end
    for key, why in pairs(answer.left_out) do
        out[base64.encode(key)] = why
    end
    print("said " .. json.encode({ servers = servers, out = out }))
end
`;
    const root = new Root();
    try {
        const encoded = (text: string): string => Buffer.from(text).toString("base64");
        const input = { settings, all: all.map((each) => each.map((entry) => entry.map(encoded))) };
        root.write("input.json", JSON.stringify(input));
        root.write("test.lua", script);
        root.write(
            "haproxy.cfg",
            "global\n    lua-load /test/test.lua\nfrontend test\n    mode http\n    bind :1\n    timeout client 1s\n",
        );
        const said = await output("docker", [
            ...["run", "--rm", "--network", "none", "--volume", `${root.folder}:/test:ro`],
            `--volume=${join(checkout, "components/balancers/events")}:/lua:ro`,
            ...["--entrypoint", "haproxy", imageReference("machine-etcd"), "-c", "-f", "/test/haproxy.cfg"],
        ]);
        return [...said.matchAll(/^said (.*)$/gm)].map(([, line]) => {
            // An empty table of Lua's is an object.
            const { servers, out } = JSON.parse(line!) as { servers: Believed[0]; out: Believed[1] };
            const keys = Object.entries(out).map(([key, why]) => [
                Buffer.from(key, "base64").toString(),
                why,
            ]);
            return [Array.isArray(servers) ? servers : [], Object.fromEntries(keys) as Believed[1]];
        });
    } finally {
        root.remove();
    }
}

/** Both take what anybody has written for what it is. */
for (const [who, read] of Object.entries({ "haproxy-entries": asked, "HAProxy's Lua": askedInHaproxy })) {
    describe(`entries of etcd's, as ${who} reads them`, function () {
        this.timeout("1m");

        async function usable(...entries: Entry[]): Promise<Believed> {
            return (await read([entries]))[0]!;
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
                const answers = await read(entries.map((each) => [each, entry(7, "10.219.0.27:9007")]));
                assert.equal(answers.length, entries.length);
                for (const [index, [servers, out]] of answers.entries()) {
                    const each = entries[index]!;
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
}

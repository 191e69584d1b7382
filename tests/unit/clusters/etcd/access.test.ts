import * as assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

import {
    etcdAccess,
    etcdAccessCommand,
    type EtcdAccessPlan,
    type EtcdPasswords,
} from "../../../../components/clusters/etcd/access";
import { type CommandResult, type RunningCommand, start } from "../../../support/command";
import { unpacked } from "../../../support/packed";
import { eventually } from "../../../support/poll";
import { type Answer, type EtcdMachine, SecureEtcd } from "./secure-etcd";

interface Summary {
    created: string[];
    updated: string[];
    removed: string[];
    enabled: boolean;
}

const secret = (): string => randomBytes(16).toString("hex");
const passwords = (): EtcdPasswords => ({ current: secret(), next: secret() });

describe("etcd's users and roles", function () {
    this.timeout(60_000);
    let cluster: SecureEtcd;
    let member: EtcdMachine;
    const known = { nodes: passwords(), balancer: passwords(), "app-webapp": passwords() };
    const plan = (rotation = 1, all: Record<string, EtcdPasswords> = known): EtcdAccessPlan =>
        etcdAccess({ rootPassword: cluster.rootPassword, rotation, passwords: all });

    before(async () => {
        cluster = await SecureEtcd.create("127.0.62", 1);
        member = cluster.machines[0]!;
        await cluster.found();
    });
    after(() => cluster?.close());

    const begin = (
        wanted: EtcdAccessPlan,
        { keep = false, url = member.url, timeout = 20 } = {},
    ): RunningCommand => {
        const etcd = { ...member.clientFiles, endpoints: [url] };
        const { create, stdin } = etcdAccessCommand(wanted, { etcd, keep, timeout });
        return start("sh", ["-c", create], { input: stdin, timeout: 60 });
    };
    const apply = async (wanted: EtcdAccessPlan, keep = false): Promise<Summary> => {
        const { code, output, stdout } = await begin(wanted, { keep }).done;
        assert.equal(code, 0, output);
        silent(wanted, output);
        return JSON.parse(stdout) as Summary;
    };
    const silent = (wanted: EtcdAccessPlan, said: string): void => {
        for (const { password } of wanted.users) {
            assert.ok(!said.includes(password), "a secret was printed");
        }
    };
    const changes = ({ created, updated, removed }: Summary): string[][] => [created, updated, removed];
    const put = (key: string, token?: string): Promise<Answer> =>
        cluster.ask("/v3/kv/put", { key: btoa(key), value: btoa("x") }, { token });
    const get = (key: string, token?: string): Promise<Answer> =>
        cluster.ask("/v3/kv/range", { key: btoa(key) }, { token });

    it("are there after a run that was interrupted anywhere and one that was not", async () => {
        // Before authentication is on, whoever has a certificate may do everything.
        assert.equal((await put("/elsewhere")).status, 200);
        const interrupted = begin(plan());
        await eventually(
            "it has begun",
            async () => {
                const { json } = await cluster.ask("/v3/auth/role/list");
                assert.ok((json.roles ?? []).includes("nodes"));
            },
            { every: 5 },
        );
        await interrupted.kill();
        const { enabled } = await apply(plan());
        assert.ok(enabled);
        assert.deepEqual(
            { ...(await apply(plan())), seconds: 0 },
            {
                created: [],
                updated: [],
                removed: [],
                enabled: false,
                seconds: 0,
            },
        );
    });

    it("let nobody do anything by certificate alone, nor with a wrong password", async () => {
        for (const answer of [await put("/apps/webapp/x"), await get("/apps/webapp/x")]) {
            assert.match(answer.text, /permission denied/);
        }
        await assert.rejects(cluster.login("balancer", "wrong"), /authentication failed/);
        assert.match((await put("/apps/webapp/x", "made-up.1")).text, /invalid auth token/);
        // gRPC, with a certificate whose name is no user.
        const { code, output } = await member.etcdctl(["get", "/apps/", "--prefix"]);
        assert.notEqual(code, 0);
        assert.match(output, /permission denied|user name not found/);
        const user = `--user=balancer:${known.balancer.current}`;
        assert.equal((await member.etcdctl([user, "get", "/apps/", "--prefix"])).code, 0);
    });

    it("refuse whoever's certificate has a common name: none of ours may have one", async () => {
        const pair = await cluster.certificate("clients", "web-1", undefined, { commonName: "web-1" });
        const asked = { name: "balancer", password: known.balancer.current };
        const { status, text } = await cluster.ask("/v3/auth/authenticate", asked, { pair });
        assert.deepEqual([status, text.slice(0, 20)], [400, "CommonName of client"]);
    });

    it("let each do its own work alone", async () => {
        const nodes = await cluster.login("nodes", known.nodes.current);
        const balancer = await cluster.login("balancer", known.balancer.current);
        const webapp = await cluster.login("app-webapp", known["app-webapp"].current);
        const denied = async (asked: Promise<Answer>): Promise<void> =>
            assert.match((await asked).text, /permission denied/);
        for (const [key, token] of [
            ["/gatehouse/turn", nodes],
            ["/apps/webapp/webapp@1.service", webapp],
        ] as const) {
            assert.equal((await put(key, token)).status, 200, key);
            assert.equal((await get(key, token)).json.kvs.length, 1, key);
        }
        assert.equal((await get("/apps/webapp/webapp@1.service", balancer)).json.kvs.length, 1);
        await denied(put("/apps/webapp/webapp@1.service", balancer));
        await denied(put("/apps/other/other@1.service", webapp));
        await denied(get("/gatehouse/turn", webapp));
        await denied(put("/apps/webapp/webapp@1.service", nodes));
        await denied(get("/gatehouse/turn", balancer));
        for (const token of [nodes, balancer, webapp]) {
            await denied(get("/access/made", token));
            await denied(cluster.ask("/v3/auth/user/list", {}, { token }));
            await denied(cluster.ask("/v3/cluster/member/remove", { ID: 1 }, { token }));
        }
    });

    it("follow the plan: what differs is mended, what is gone is removed, others' things stay", async () => {
        const token = await cluster.login("root", cluster.rootPassword);
        const asRoot = async (path: string, body: object): Promise<Answer> => {
            const answer = await cluster.ask(`/v3/auth/${path}`, body, { token });
            assert.equal(answer.status, 200, answer.text);
            return answer;
        };
        await asRoot("user/add", { name: "by-hand", password: "by-hand-1" });
        await asRoot("user/changepw", { name: "balancer", password: "another" });
        await asRoot("user/revoke", { name: "nodes", role: "nodes" });
        await asRoot("role/grant", {
            name: "balancer",
            perm: { permType: "READWRITE", key: btoa("/apps/"), range_end: btoa("/apps0") },
        });
        await asRoot("role/grant", { name: "nodes", perm: { permType: "READ", key: btoa("/apps/x") } });
        const rest = { nodes: known.nodes, balancer: known.balancer };
        assert.deepEqual(changes(await apply(plan(1, rest), true)), [
            [],
            ["role nodes", "role balancer", "user nodes", "user balancer"],
            [],
        ]);
        assert.deepEqual(changes(await apply(plan(1, rest))), [
            [],
            [],
            ["user app-webapp", "user app-webapp.2", "role app-webapp"],
        ]);
        const { users } = (await asRoot("user/list", {})).json as { users: string[] };
        assert.deepEqual(users.sort(), ["balancer", "balancer.2", "by-hand", "nodes", "nodes.2", "root"]);
        assert.equal((await apply(plan())).created.length, 3);
    });

    it("rotate so that every holder has a password that is valid", async () => {
        const rotated = Object.fromEntries(
            Object.entries(known).map(([role, { next }]) => [role, { current: next, next: secret() }]),
        );
        // What machines are told next is known before, and what they have stays until all have changed.
        await cluster.login("balancer.2", known.balancer.next);
        assert.deepEqual((await apply(plan(2, rotated), true)).removed, []);
        await cluster.login("balancer", known.balancer.current);
        const { removed } = await apply(plan(2, rotated));
        assert.deepEqual(removed.sort(), ["user app-webapp", "user balancer", "user nodes"]);
        await assert.rejects(cluster.login("balancer", known.balancer.current), /authentication failed/);
        const token = await cluster.login("balancer.2", known.balancer.next);
        assert.equal((await get("/apps/webapp/webapp@1.service", token)).json.kvs.length, 1);
    });

    it("say what is missing when there is no way to make them", async () => {
        const stranger = { ...plan(), users: plan().users.map((user) => ({ ...user, password: secret() })) };
        const refused = async (running: RunningCommand, reason: RegExp): Promise<CommandResult> => {
            const result = await running.done;
            assert.equal(result.code, 1);
            assert.match(result.output, reason);
            assert.doesNotMatch(result.output, /Traceback/);
            return result;
        };
        silent(
            stranger,
            (await refused(begin(stranger), /root's password is not the one that this stack/)).output,
        );
        const nobody = { url: "https://127.0.62.250:2379", timeout: 1 };
        await refused(begin(plan(), nobody), /not within 1 s; seen last: .*127\.0\.62\.250.*refused/);
    });

    it("keep their secrets out of the command, and refuse what is no role", () => {
        const { create, stdin } = etcdAccessCommand(plan(), { etcd: { endpoints: [member.url] } });
        silent(plan(), create);
        assert.ok(unpacked(stdin).includes(known.balancer.current));
        assert.throws(() => plan(1, { "app-Web app": passwords() }), /passwords: app-Web app is no role/);
    });
});

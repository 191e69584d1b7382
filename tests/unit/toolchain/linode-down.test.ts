import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";

import { root } from "../../../toolchain/paths";
import { run } from "../../support/command";
import { fakeCheckout, fakeEnvironment } from "../../support/fake-pulumi";
import { request } from "../../support/http";
import { LinodeEmulator } from "../../support/linode/emulator";

const stackFile =
    "config:\n  gatehouse:lab: nomad\n  gatehouse:substrate: linode\n  gatehouse:linode: { ttl: 2h, dns: { domain: d.example } }\n";

/** The front door's part of a stack on Linode, with the emulated API and without Pulumi. */
describe("the front door to Linode", function () {
    this.timeout(60_000);
    let emulator: LinodeEmulator;
    let checkout: string;

    beforeEach(async () => {
        emulator = new LinodeEmulator({ speed: 0 });
        await emulator.start();
        checkout = fakeCheckout();
        fs.writeFileSync(path.join(checkout, "Pulumi.fake.yaml"), stackFile);
        const places = JSON.parse(fs.readFileSync(path.join(root, "toolchain/labs.json"), "utf8"));
        const { subnet, ports } = places.nomad;
        const file = path.join(checkout, "toolchain/labs.json");
        const needs = JSON.parse(fs.readFileSync(file, "utf8"));
        fs.writeFileSync(file, JSON.stringify({ nomad: { ...needs.nomad, subnet, ports } }));
    });
    afterEach(async () => {
        await emulator.stop();
        fs.rmSync(checkout, { recursive: true, force: true });
    });

    const cli = (args: string[], extra: NodeJS.ProcessEnv = {}) =>
        run(process.execPath, ["toolchain/cli.js", ...args], {
            cwd: checkout,
            env: fakeEnvironment(checkout, {
                LINODE_URL: emulator.url,
                LINODE_TOKEN: emulator.token,
                ...extra,
            }),
        });
    const calls = (): string => {
        const log = path.join(checkout, "log");
        return fs.existsSync(log) ? fs.readFileSync(log, "utf8") : "";
    };

    async function make<T extends { id: number }>(place: string, body: object): Promise<T> {
        const answer = await request(`${emulator.url}/v4/${place}`, {
            method: "POST",
            headers: { authorization: `Bearer ${emulator.token}` },
            body,
        });
        assert.equal(answer.status, 200, answer.body);
        return JSON.parse(answer.body) as T;
    }

    /** What a stack of this name has: two machines in a VPC, a balancer, firewall, placement group and DNS record. */
    async function makeStack(stack: string): Promise<string[]> {
        const name = (part: string) => `gatehouse-${stack}-${part}`;
        const common = { region: "nl-ams", tags: ["gatehouse", `gatehouse:${stack}`] };
        const vpc = await make<{ id: number; subnets: { id: number }[] }>("vpcs", {
            region: "nl-ams",
            label: name("vpc"),
            subnets: [{ label: "nodes", ipv4: "10.213.0.0/24" }],
        });
        const group = await make("placement/groups", {
            label: name("servers"),
            region: "nl-ams",
            placement_group_type: "anti_affinity:local",
            placement_group_policy: "flexible",
        });
        const instances = [];
        for (const part of ["server-1", "registry"]) {
            instances.push(
                await make<{ id: number; ipv4: string[] }>("linode/instances", {
                    ...common,
                    label: name(part),
                    type: part === "registry" ? "g6-nanode-1" : "g6-standard-1",
                    image: "linode/debian12",
                    root_pass: "not-a-secret-of-anybody",
                    interfaces: [
                        { purpose: "public", primary: true },
                        { purpose: "vpc", subnet_id: vpc.subnets[0]!.id },
                    ],
                }),
            );
        }
        const open = { inbound_policy: "ACCEPT", outbound_policy: "ACCEPT" };
        const firewall = await make("networking/firewalls", {
            label: name("server-1"),
            tags: common.tags,
            rules: open,
            devices: { linodes: [instances[0]!.id] },
        });
        const balancer = await make("nodebalancers", { ...common, label: name("entry") });
        const domain = await make("domains", {
            domain: `${stack === "fake" ? "d" : stack}.example`,
            type: "master",
            soa_email: "a@example.org",
        });
        const target = instances[0]!.ipv4[0];
        const record = await make(`domains/${domain.id}/records`, { type: "A", name: stack, target });
        // Somebody else's, of the same name.
        await make(`domains/${domain.id}/records`, { type: "A", name: stack, target: "192.0.2.7" });
        return [
            `domains/${domain.id}/records/${record.id}`,
            `nodebalancers/${balancer.id}`,
            ...instances.map(({ id }) => `linode/instances/${id}`),
            `networking/firewalls/${firewall.id}`,
            `placement/groups/${group.id}`,
            `vpcs/${vpc.id}`,
        ];
    }

    it("ends a tear-down with a receipt: what has gone, that nothing is left, and what it cost", async () => {
        assert.equal((await cli(["up", "fake"])).code, 0);
        const paths = await makeStack("fake");
        await makeStack("fake-2");
        const others = emulator.inventory().length - paths.length - 1;
        const { code, output } = await cli(["down", "fake"], { FAKE_DESTROY: paths.join(" ") });
        assert.equal(code, 0, output);
        assert.match(
            output,
            /deleted: 1 DNS record, 1 NodeBalancer, 2 instances, 1 firewall, 1 placement group, 1 VPC$/m,
        );
        assert.match(output, /^Linode: left: nothing$/m);
        // An hour has begun: 0.018 + 0.0075 + 0.015.
        assert.match(output, /^Linode: cost: about \$0\.04 at list prices/m);
        assert.ok(emulator.inventory().length >= others, "another stack's things are nobody's business");
    });

    it("fails while something is left, and names it with the remedy", async () => {
        assert.equal((await cli(["up", "fake"])).code, 0);
        const paths = await makeStack("fake");
        const kept = paths.filter((place) => /instances|vpcs/.test(place));
        const destroyed = paths.filter((place) => !kept.includes(place));
        const { code, output } = await cli(["down", "fake"], { FAKE_DESTROY: destroyed.join(" ") });
        assert.equal(code, 1, output);
        assert.match(output, /left at Linode.*:\n {4}instance gatehouse-fake-server-1\n/);
        assert.match(output, / {4}VPC gatehouse-fake-vpc\n.*"make down STACK=fake FORCE=1" removes/);
    });

    it("removes with FORCE what a lost state has left, and nothing of another stack", async () => {
        await makeStack("fake");
        await makeStack("fake-2");
        const before = emulator.inventory();
        const refused = await cli(["down", "fake"]);
        assert.equal(refused.code, 1);
        assert.match(refused.output, /knows no such stack, but Linode has .*2 instances[^]*FORCE=1" removes/);
        assert.equal(emulator.inventory().length, before.length);
        assert.match((await cli(["up", "fake"])).output, /knows no such stack, but Linode has/);
        assert.doesNotMatch(calls(), /^up /m);

        const forced = await cli(["down", "fake"], { FORCE: "1" });
        assert.equal(forced.code, 0, forced.output);
        assert.match(forced.output, /^Linode: left: nothing$/m);
        const after = emulator.inventory();
        const ours = ({ label, tags }: (typeof before)[number]) =>
            tags.includes("gatehouse:fake") || /^gatehouse-fake-(vpc|servers)$/.test(label);
        assert.deepEqual(after.filter(ours), []);
        // Theirs are all there; ours were seven, with the VPC's subnet.
        assert.equal(after.length, before.length - 8, JSON.stringify(after));
    });

    it("is not hindered by an API that does not answer, or a token that is none", async () => {
        for (const extra of [{ LINODE_URL: "http://127.0.0.1:9" }, { LINODE_TOKEN: "wrong" }]) {
            assert.equal((await cli(["up", "fake"])).code, 0);
            const { code, output } = await cli(["down", "fake"], extra);
            assert.equal(code, 0, output);
            assert.match(output, /there will be no receipt.*(cannot be reached|linode:token)/);
            assert.match(calls(), /^destroy --stack fake/m);
        }
    });

    it("does not claim with FORCE that nothing is left when it could not ask", async () => {
        const { code, output } = await cli(["down", "fake"], { FORCE: "1", LINODE_TOKEN: "" });
        assert.equal(code, 1, output);
        assert.match(output, /it is unknown what is left at Linode\n.*export LINODE_TOKEN/);
    });

    it("takes the token from the stack's configuration, where there is one", async () => {
        const file = path.join(checkout, "Pulumi.fake.yaml");
        fs.writeFileSync(file, `${stackFile}  linode:token: ${emulator.token}\n`);
        assert.equal((await cli(["up", "fake"])).code, 0);
        const { output } = await cli(["down", "fake"], { LINODE_TOKEN: "wrong" });
        assert.match(output, /^Linode: left: nothing$/m);
        assert.doesNotMatch(output, new RegExp(emulator.token));
    });

    const lifetime = (expires: string) => ({
        FAKE_OUTPUTS: JSON.stringify({ lifetime: { created: "2026-01-01T00:00:00.000Z", expires } }),
    });

    it("takes down with EXPIRED only what has had its time", async () => {
        assert.match((await cli(["down", "fake"], { EXPIRED: "1" })).output, /there is no stack fake/);
        assert.equal((await cli(["up", "fake"], lifetime("2999-01-01T00:00:00.000Z"))).code, 0);
        const spared = await cli(["down", "fake"], { EXPIRED: "1" });
        assert.equal(spared.code, 0, spared.output);
        assert.match(spared.output, /the stack fake stays: its time to live ends in \d+ days/);
        assert.doesNotMatch(calls(), /^destroy/m);
        assert.doesNotMatch((await cli(["outputs", "fake"])).output, /warning/);

        assert.equal((await cli(["up", "fake"], lifetime("2026-01-02T00:00:00.000Z"))).code, 0);
        for (const command of ["outputs", "env"]) {
            const { output } = await cli([command, "fake"]);
            assert.match(output, /warning: the time to live of the stack fake ended .*linode\.ttl/, command);
        }
        assert.equal((await cli(["down", "fake"], { EXPIRED: "1" })).code, 0);
        assert.match(calls(), /^destroy/m);
    });

    it("knows the age of a stack whose first update failed from what it has made", async () => {
        assert.equal((await cli(["up", "fake"], { FAKE_FAIL: "1" })).code, 1);
        await makeStack("fake");
        const { code, output } = await cli(["down", "fake"], { EXPIRED: "1" });
        assert.equal(code, 0, output);
        assert.match(output, /the stack fake stays: its time to live ends in 1 hour/);
    });

    it("clears away what a killed run was making there, and nothing that the state knows", async () => {
        assert.equal((await cli(["up", "fake"])).code, 0);
        await makeStack("fake");
        const inventory = () => emulator.inventory().map(({ kind, label }) => `${kind} ${label}`);
        const before = inventory();
        const id = (label: string) => emulator.inventory().find((one) => one.label === label)?.id;
        const file = path.join(checkout, ".gatehouse/state/.pulumi/stacks/gatehouse/fake.json");
        const state = JSON.parse(fs.readFileSync(file, "utf8"));
        const type = "linode:index/instance:Instance";
        const creating = (kind: string, inputs: object) => ({
            type: "creating",
            resource: { urn: `urn:pulumi:fake::gatehouse::${kind}::x`, type: kind, inputs },
        });
        const domainId = emulator.inventory().find(({ kind }) => kind === "domain")?.id;
        state.checkpoint.latest.resources.push({ type, id: String(id("gatehouse-fake-server-1")) });
        state.checkpoint.latest.pending_operations = [
            creating(type, { label: "gatehouse-fake-registry" }),
            // Known: it is being replaced.
            creating(type, { label: "gatehouse-fake-server-1" }),
            creating("linode:index/domainRecord:DomainRecord", {
                domainId,
                name: "fake",
                recordType: "A",
                target: "192.0.2.7",
            }),
        ];
        fs.writeFileSync(file, JSON.stringify(state));
        const { code, output } = await cli(["up", "fake"]);
        assert.equal(code, 0, output);
        assert.match(output, /removing the half-made instance gatehouse-fake-registry, part domains/);
        const gone = ["linode gatehouse-fake-registry", "domain_record A fake"];
        assert.equal(inventory().length, before.length - gone.length);
        gone.slice(0, 1).forEach((one) => assert.ok(!inventory().includes(one), one));
    });

    it("adds setting and remedy to what the API refused", async () => {
        const { code, output } = await cli(["up", "fake"], {
            FAKE_FAIL: "1",
            FAKE_ERROR: "Linode refused to create: Account Limit reached. Please open a support ticket.",
        });
        assert.equal(code, 1);
        assert.match(
            output,
            /gatehouse:servers\.count, gatehouse:clients\.count: the account may have no more/,
        );
        assert.match(output, /what to do: correct the cause and run "make up STACK=fake" again/);
    });
});

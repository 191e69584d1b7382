import * as assert from "node:assert/strict";

import { linodeProvider } from "../../../../plugins/linode/provider";
import { NullDriver, type Machine } from "../../../support/linode/driver";
import { initFailureOf, plain, ProviderHarness, Secret, UNKNOWN } from "../../../support/provider-harness";
import { instanceArgs, rehearse, type Rehearsal } from "./linode";

class Machines extends NullDriver {
    readonly booted: Machine[] = [];
    override async boot(machine?: Machine): Promise<void> {
        this.booted.push(machine!);
    }
}

describe("the linode plugin's instances, on an emulated API", () => {
    let api: Rehearsal;
    const machines = new Machines();

    beforeEach(async () => {
        api = await rehearse({
            driver: machines,
            soldOut: ["us-ord/g6-standard-4"],
            limits: { instances: 3 },
        });
    });
    afterEach(async () => {
        assert.equal(api.emulator.faults.pending, 0, "every fault met its request");
        await api.stop();
    });

    const instances = () => api.of("Instance");
    const linodes = () => api.emulator.inventory().filter(({ kind }) => kind === "linode");

    it("waits until one runs, with a password that nobody knows; a refresh finds nothing to do", async () => {
        const userData = Buffer.from("#cloud-config\n").toString("base64");
        const args = { ...instanceArgs, privateIp: true, metadatas: [{ userData }] };
        const made = await instances().made(args);
        const { status, ipAddress, privateIpAddress, ipv4s, hasUserData, specs } = made.outputs;
        assert.deepEqual([status, hasUserData, ipv4s], ["running", true, [ipAddress, privateIpAddress]]);
        assert.deepEqual(specs, [{ disk: 25600, memory: 1024, vcpus: 1, transfer: 1000 }]);
        assert.equal(made.outputs.rootPass, undefined);
        assert.equal(machines.booted.at(-1)!.userData?.toString(), "#cloud-config\n");
        const read = await instances().read(made);
        assert.deepEqual((await instances().diff(read!, args)).paths, {});
        assert.deepEqual(plain(read!.outputs), plain(made.outputs));
        await instances().removed(made);
        assert.equal(await instances().read(made), undefined);
        assert.deepEqual(linodes(), []);
        const imported = await api.provider.read(instances().type, made.id);
        assert.equal(imported, undefined);
    });

    it("shows a plan before anything is known", async () => {
        const planned = await instances().planned(instanceArgs, "authorizedKeys", "firewallId", "metadatas");
        assert.deepEqual([planned.ipAddress, planned.status, planned.label], [UNKNOWN, UNKNOWN, "server-1"]);
        assert.equal(api.emulator.log.total, 0, "a preview of a new stack asks nothing");
    });

    it("is replaced for user data, image, keys, region and firewall, and for nothing else", async () => {
        const made = await instances().made(instanceArgs);
        const replaces = async (change: object) =>
            (await instances().diff(made, { ...instanceArgs, ...change })).replaces;
        for (const [name, value] of Object.entries({
            metadatas: [{ userData: "AAAA" }],
            image: "linode/debian13",
            authorizedKeys: ["ssh-ed25519 BBBB"],
            region: "nl-ams",
            firewallId: 7,
            rootPass: new Secret("another-password"),
        })) {
            assert.deepEqual(await replaces({ [name]: value }), [name]);
        }
        assert.deepEqual(
            await replaces({
                label: "renamed",
                type: "g6-standard-1",
                tags: [],
                privateIp: true,
                booted: false,
            }),
            [],
        );
    });

    it("changes in place: label, tags, plan, private address, power", async () => {
        const made = await instances().made(instanceArgs);
        const args = {
            ...instanceArgs,
            label: "server-2",
            tags: ["gatehouse-dev", "extra"],
            type: "g6-standard-1",
            privateIp: true,
            watchdogEnabled: false,
            backupsEnabled: true,
        };
        const changed = await instances().updated(made, args);
        const { specs, privateIpAddress, status } = changed.outputs;
        assert.equal((specs as { memory: number }[])[0]!.memory, 2048);
        assert.match(String(privateIpAddress), /^192\.168\./);
        assert.equal(status, "running");
        assert.deepEqual((await instances().diff((await instances().read(changed))!, args)).paths, {});
        const off = await instances().updated(changed, { ...args, booted: false });
        assert.equal(off.outputs.status, "offline");
        const on = await instances().updated(off, { ...args, booted: true });
        assert.equal(on.outputs.status, "running");
        assert.equal(linodes().length, 1);
    });

    it("has addresses of its VPC that are known beforehand, and a place in a group", async () => {
        const vpc = await api.of("Vpc").made({ label: "lab", region: "us-ord" });
        const subnet = await api
            .of("VpcSubnet")
            .made({ vpcId: Number(vpc.id), label: "nodes", ipv4: "10.0.1.0/24" });
        const group = await api
            .of("PlacementGroup")
            .made({ label: "pack", region: "us-ord", placementGroupType: "anti_affinity:local" });
        const interfaces = [
            {
                purpose: "vpc",
                subnetId: Number(subnet.id),
                primary: true,
                ipv4: { vpc: "10.0.1.11", nat11: "any" },
            },
        ];
        const args = { ...instanceArgs, interfaces, placementGroup: { id: Number(group.id) } };
        const made = await instances().made(args);
        assert.deepEqual(
            machines.booted.at(-1)!.addresses.vpc.map(({ address }) => address),
            ["10.0.1.11"],
        );
        const read = await instances().read(made);
        assert.deepEqual((await instances().diff(read!, args)).paths, {});
        const moved = await instances().updated(made, {
            ...instanceArgs,
            interfaces: [{ ...interfaces[0], ipv4: { vpc: "10.0.1.12" } }],
        });
        assert.deepEqual(
            machines.booted.at(-1)!.addresses.vpc.map(({ address }) => address),
            ["10.0.1.12"],
            "a change of the network takes effect",
        );
        assert.deepEqual((await api.of("PlacementGroup").read(group))!.outputs.members, []);
        await instances().removed(moved);
    });

    it("tries again what the API puts off", async () => {
        const { faults } = api.emulator;
        const target = { method: "POST", path: "/linode/instances" } as const;
        faults.inject({ ...target, times: 2 }, { kind: "tooManyRequests", retryAfter: 1 });
        faults.inject(target, { kind: "unavailable" });
        faults.inject(target, { kind: "busy" });
        faults.inject(
            { method: "GET", path: "/linode/instances/*", times: 2 },
            { kind: "cut", when: "before" },
        );
        const made = await instances().made(instanceArgs);
        assert.equal(linodes().length, 1);
        faults.inject({ method: "DELETE", path: "/linode/instances/*" }, { kind: "cut", when: "after" });
        await instances().removed(made);
        assert.equal(linodes().length, 0);
    });

    it("makes one and not two when the connection breaks, before or after the effect", async () => {
        for (const when of ["before", "after"] as const) {
            api.emulator.faults.inject({ method: "POST", path: "/linode/instances" }, { kind: "cut", when });
            const made = await instances().made(instanceArgs);
            assert.deepEqual(
                linodes().map(({ id }) => String(id)),
                [made.id],
                when,
            );
            await instances().removed(made);
        }
    });

    it("does not take another's instance for its own", async () => {
        await instances().made(instanceArgs);
        await assert.rejects(
            instances().made(instanceArgs),
            /Linode refused to create \/linode\/instances: label: Label must be unique among your linodes\. Choose another "label"/,
        );
    });

    it("records one that does not boot, and the next update boots it", async () => {
        api.emulator.faults.failEvent("linode_boot");
        const inputs = await instances().checked(instanceArgs);
        const failure = await api.provider.create(instances().type, inputs).then(
            () => undefined,
            (error: unknown) => initFailureOf(error),
        );
        assert.match(failure!.reasons.join(), /Linode's job linode_boot has failed/);
        assert.deepEqual(
            linodes().map(({ id }) => String(id)),
            [failure!.id],
        );
        const outputs = await api.provider.update(
            instances().type,
            failure!.id,
            failure!.properties,
            inputs,
            inputs,
        );
        assert.equal(outputs.status, "running");
    });

    it("says what is wrong and what to do about it", async () => {
        const refused = async (change: object, message: RegExp) =>
            assert.rejects(instances().made({ ...instanceArgs, ...change }), message);
        await refused({ region: "mars" }, /region: region is not valid\. Check "region"/);
        await refused({ type: "g99" }, /type: A valid plan type by that ID was not found\. Check "type"/);
        await refused(
            { type: "g6-standard-4" },
            /not currently available .*Choose another "region" or "type"/,
        );
        for (const number of [1, 2, 3]) {
            await instances().made({ ...instanceArgs, label: `server-${number}` });
        }
        await refused(
            { label: "server-4" },
            /Account Limit reached.*ask Linode's support for a higher limit/,
        );
    });
});

describe("the linode plugin's settings", () => {
    it("a missing and a wrong token: which setting, and no token in the message", async () => {
        const api = await rehearse();
        try {
            for (const [token, advice] of [
                ["", /Invalid Token\. Set the provider's "token" \(or LINODE_TOKEN\)/],
                ["wrong-token-1234", /Invalid Token\. Check the provider's "token" \(or LINODE_TOKEN\)/],
            ] as const) {
                const provider = await ProviderHarness.start(linodeProvider, {
                    url: api.emulator.url,
                    token,
                });
                const type = "linode:index/vpc:Vpc";
                const { inputs } = await provider.check(type, { label: "lab", region: "us-ord" });
                await assert.rejects(provider.create(type, inputs), (error: Error) => {
                    assert.match(error.message, advice);
                    assert.ok(!error.message.includes("wrong-token"));
                    return true;
                });
                provider.close();
            }
        } finally {
            await api.stop();
        }
    });
});

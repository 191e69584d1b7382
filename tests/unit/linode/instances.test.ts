import {
    allocateIPAddress,
    createLinode,
    createLinodeConfig,
    deleteLinode,
    enableBackups,
    getEvent,
    getEvents,
    getLinode,
    getLinodeConfig,
    getLinodeConfigs,
    getLinodeDisks,
    getLinodeIPs,
    getLinodes,
    linodeBoot,
    linodeReboot,
    linodeShutdown,
    markEventSeen,
    resizeLinode,
    updateLinode,
    type CreateLinodeRequest,
    type Event,
    type EventAction,
    type Linode,
} from "@linode/api-v4";
import * as assert from "node:assert/strict";

import { refusal, useEmulator } from "../../support/linode/client";
import type { Driver, Machine } from "../../support/linode/driver";
import { NullDriver } from "../../support/linode/driver";
import { LinodeEmulator } from "../../support/linode/emulator";
import { eventually } from "../../support/poll";

const quick = { within: 20, every: 10 };

/** Writes down what it is asked for. */
class Recorder extends NullDriver implements Driver {
    readonly calls: string[] = [];
    readonly booted: Machine[] = [];

    override async boot(machine?: Machine): Promise<void> {
        this.calls.push(`boot ${machine!.label}`);
        this.booted.push(machine!);
    }
    async shutdownOf(machine: Machine): Promise<void> {
        this.calls.push(`shutdown ${machine.label}`);
    }
    override shutdown = (machine?: Machine): Promise<void> => this.shutdownOf(machine!);
    override async destroy(machine?: Machine): Promise<void> {
        this.calls.push(`destroy ${machine!.label}`);
    }
}

const wanted: CreateLinodeRequest = {
    region: "us-ord",
    type: "g6-nanode-1",
    image: "linode/debian12",
    root_pass: "not-a-secret-of-anybody",
};

describe("linode emulator: instances", () => {
    const driver = new Recorder();
    // A create takes a quarter of a second, a boot a tenth.
    const emulator = new LinodeEmulator({ speed: 0.004, driver });

    before(async () => {
        await emulator.start();
        useEmulator(emulator);
    });
    after(() => emulator.stop());

    const until = (id: number, status: Linode["status"]): Promise<Linode> =>
        eventually(
            `instance ${id} ${status}`,
            async () => {
                const linode = await getLinode(id);
                assert.equal(linode.status, status);
                return linode;
            },
            quick,
        );

    /** The events of an instance as the official client asks for them, the newest first. */
    const eventsOf = async (id: number, action: EventAction): Promise<Event[]> => {
        const { data } = await getEvents(
            { page: 1 },
            { "+order_by": "created", "+order": "desc", "entity.type": "linode", "entity.id": id, action },
        );
        return data;
    };

    const finished = (id: number, action: EventAction, nth = 1): Promise<Event> =>
        eventually(
            `${action} of ${id}`,
            async () => {
                const done = (await eventsOf(id, action)).filter(({ status }) => status === "finished");
                assert.equal(done.length, nth);
                return done[0]!;
            },
            quick,
        );

    let first: Linode;

    it("is provisioned, booted and running, with an event for each", async () => {
        first = await createLinode({
            ...wanted,
            label: "first",
            tags: ["lab-a"],
            private_ip: true,
            authorized_keys: ["ssh-ed25519 AAAA"],
            metadata: { user_data: Buffer.from("#cloud-config\n{}\n").toString("base64") },
        });
        assert.equal(first.status, "provisioning");
        assert.deepEqual(
            [first.has_user_data, first.tags, first.interface_generation],
            [true, ["lab-a"], "legacy_config"],
        );
        assert.match(first.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
        await finished(first.id, "linode_create");
        await until(first.id, "running");
        const boot = await finished(first.id, "linode_boot");
        assert.deepEqual(
            [boot.percent_complete, boot.duration, boot.entity],
            [
                100,
                24,
                { id: first.id, label: "first", type: "linode", url: `/v4/linode/instances/${first.id}` },
            ],
        );
        assert.deepEqual(await getEvent(boot.id), boot);
    });

    it("boots a machine with its user data, keys and addresses", () => {
        const [machine] = driver.booted;
        assert.ok(machine);
        assert.equal(machine.userData?.toString(), "#cloud-config\n{}\n");
        assert.deepEqual(machine.authorizedKeys, ["ssh-ed25519 AAAA"]);
        assert.deepEqual([machine.addresses.public, machine.addresses.private], first.ipv4);
        assert.deepEqual([machine.memory, machine.vcpus], [1024, 1]);
    });

    it("has a disk for the image and one for swap, and a configuration that boots them", async () => {
        const { data: disks } = await getLinodeDisks(first.id);
        assert.deepEqual(
            disks.map(({ label, size, filesystem, status }) => [label, size, filesystem, status]),
            [
                ["Debian 12 Disk", 25600 - 512, "ext4", "ready"],
                ["512 MB Swap Image", 512, "swap", "ready"],
            ],
        );
        const { data: configs } = await getLinodeConfigs(first.id);
        assert.equal(configs.length, 1);
        assert.deepEqual(configs[0]!.devices.sda, { disk_id: disks[0]!.id, volume_id: null });
        assert.equal(configs[0]!.devices.sdc, null);
        assert.deepEqual(await getLinodeConfig(first.id, configs[0]!.id), configs[0]);
        assert.ok(configs[0]!.helpers);
    });

    it("has a public and a private address, and IPv6", async () => {
        const { ipv4, ipv6 } = await getLinodeIPs(first.id);
        assert.deepEqual(
            [ipv4.public, ipv4.private].map((list) => list.map(({ address }) => address)),
            [[first.ipv4[0]], [first.ipv4[1]]],
        );
        assert.match(first.ipv4[1]!, /^192\.168\.(12[89]|1[3-9]\d|2\d\d)\./);
        assert.equal(ipv4.public[0]!.rdns, `${first.ipv4[0]!.replaceAll(".", "-")}.ip.linodeusercontent.com`);
        assert.equal(`${ipv6!.slaac.address}/128`, first.ipv6);
        assert.deepEqual([ipv4.shared, ipv4.reserved, ipv4.vpc], [[], [], []]);
    });

    it("stays off when it is not to be booted, and boots on demand", async () => {
        const second = await createLinode({ ...wanted, label: "second", booted: false });
        assert.equal((await until(second.id, "offline")).label, "second");
        assert.deepEqual(await eventsOf(second.id, "linode_boot"), []);
        assert.deepEqual(await linodeBoot(second.id), {});
        await until(second.id, "running");

        const address = await allocateIPAddress(second.id, { type: "ipv4", public: false });
        assert.deepEqual((await getLinode(second.id)).ipv4, [second.ipv4[0], address.address]);
        const again = await refusal(allocateIPAddress(second.id, { type: "ipv4", public: false }));
        assert.equal(again.status, 400);
    });

    it("is busy while something is under way", async () => {
        emulator.freeze();
        await linodeReboot(first.id);
        for (const call of [linodeReboot, linodeShutdown, linodeBoot]) {
            const { status, errors } = await refusal(call(first.id));
            assert.deepEqual([status, errors], [400, [{ reason: "Linode busy." }]]);
        }
        emulator.thaw();
        await until(first.id, "running");
        await linodeShutdown(first.id);
        await until(first.id, "offline");
        await finished(first.id, "linode_shutdown");
        assert.deepEqual(
            driver.calls.filter((call) => call.endsWith(" first")),
            ["boot first", "shutdown first", "boot first", "shutdown first"],
        );
    });

    it("changes its label, tags and alerts, and keeps what was not named", async () => {
        await updateLinode(first.id, { alerts: { ...first.alerts, cpu: 50 } });
        const changed = await updateLinode(first.id, { label: "renamed", tags: ["lab-b"] });
        assert.deepEqual([changed.label, changed.tags], ["renamed", ["lab-b"]]);
        assert.deepEqual(changed.alerts, { ...first.alerts, cpu: 50 });
        await enableBackups(first.id);
        assert.equal((await getLinode(first.id)).backups.enabled, true);
    });

    it("moves to a larger plan, not to one that its disks do not fit", async () => {
        await resizeLinode(first.id, { type: "g6-standard-1" });
        await finished(first.id, "linode_resize");
        const bigger = await until(first.id, "offline");
        assert.deepEqual([bigger.type, bigger.specs.memory], ["g6-standard-1", 2048]);
        const { id } = await createLinode({
            ...wanted,
            type: "g6-standard-1",
            label: "large",
            booted: false,
        });
        await until(id, "offline");
        const { errors } = await refusal(resizeLinode(id, { type: "g6-nanode-1" }));
        assert.equal(
            errors[0]!.reason,
            "The current disks of your Linode are too large for the requested plan",
        );
    });

    it("has further configurations", async () => {
        const made = await createLinodeConfig(first.id, {
            label: "rescue",
            devices: {},
            root_device: "/dev/sda",
            initrd: null,
            helpers: {
                devtmpfs_automount: false,
                distro: true,
                modules_dep: true,
                updatedb_disabled: true,
            },
        });
        assert.equal(made.helpers.devtmpfs_automount, false);
        const { data } = await getLinodeConfigs(first.id, undefined, { label: "rescue" });
        assert.deepEqual(data, [made]);
    });

    it("is found by filter: by tag, by label, in order", async () => {
        const labels = async (filter: object) =>
            (await getLinodes({ page_size: 25 }, filter as never)).data.map(({ label }) => label);
        assert.deepEqual(await labels({ tags: "lab-b" }), ["renamed"]);
        assert.deepEqual(
            await labels({ label: { "+contains": "e" }, "+order_by": "label", "+order": "desc" }),
            ["second", "renamed", "large"],
        );
        assert.deepEqual(
            await labels({ "+or": [{ label: "second" }, { label: "large" }], "+order_by": "id" }),
            ["second", "large"],
        );
    });

    it("keeps its label until it is gone, and its events longer", async () => {
        emulator.freeze();
        assert.deepEqual(await deleteLinode(first.id), {});
        assert.equal((await getLinode(first.id)).status, "deleting");
        const taken = await refusal(createLinode({ ...wanted, label: "renamed" }));
        assert.equal(taken.errors[0]!.reason, "Label must be unique among your linodes");
        emulator.thaw();
        const gone = await finished(first.id, "linode_delete");
        assert.equal((await refusal(getLinode(first.id))).status, 404);
        assert.equal(driver.calls.at(-1), "destroy renamed");
        const again = await createLinode({ ...wanted, label: "renamed", booted: false });
        assert.notEqual(again.id, first.id);
        assert.notEqual(again.ipv4[0], first.ipv4[0], "an address is nobody's for a while");
        await markEventSeen(gone.id);
        assert.equal((await getEvent(gone.id)).seen, true);
    });

    it("can be deleted in the middle of its creation", async () => {
        emulator.freeze();
        const { id } = await createLinode({ ...wanted, label: "short-lived" });
        await deleteLinode(id);
        emulator.thaw();
        await finished(id, "linode_delete");
        await finished(id, "linode_create");
        assert.deepEqual(await eventsOf(id, "linode_boot"), [], "nothing boots what is gone");
        assert.ok(!emulator.inventory().some(({ label }) => label === "short-lived"));
    });
});

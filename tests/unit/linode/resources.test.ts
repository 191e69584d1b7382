import * as linode from "@linode/api-v4";
import * as assert from "node:assert/strict";

import { request } from "../../support/http";
import { refusal, useEmulator } from "../../support/linode/client";
import { LinodeEmulator } from "../../support/linode/emulator";
import { region, runningInstance as instance } from "./instance";

describe("linode emulator: the account and what it can have", () => {
    const emulator = new LinodeEmulator({ speed: 0.001, soldOut: ["fr-par/g6-standard-1"] });

    before(async () => {
        await emulator.start();
        useEmulator(emulator);
    });
    after(() => emulator.stop());

    describe("the catalogue", () => {
        it("has plans with prices by the hour and the month", async () => {
            const { data } = await linode.getLinodeTypes({ page: 1, page_size: 100 });
            for (const { id, price, region_prices: dearer } of data) {
                assert.ok(price.hourly! > 0 && price.monthly! > 0, id);
                // A month is billed as at most about 667 hours.
                assert.ok(
                    Math.abs(price.hourly! * (2000 / 3) - price.monthly!) < 0.5,
                    `${id}: ${price.hourly}`,
                );
                assert.ok(
                    dearer.every((other) => other.monthly! > price.monthly!),
                    id,
                );
            }
            const nanode = await linode.getType("g6-nanode-1");
            assert.deepEqual([nanode.price, nanode.memory], [{ hourly: 0.0075, monthly: 5 }, 1024]);
            assert.equal((await refusal(linode.getType("g6-none"))).status, 404);
            const balancers = await linode.getNodeBalancerTypes();
            assert.equal(balancers.data[0]!.price.monthly, 10);
        });

        it("has regions, and says where a plan is sold out", async () => {
            const { data } = await linode.getRegions();
            assert.ok(data.some(({ id, capabilities }) => id === region && capabilities.includes("VPCs")));
            assert.equal((await linode.getRegion(region)).country, "nl");
            const soldOut = (await linode.getRegionAvailability("fr-par")).filter(
                ({ available }) => !available,
            );
            assert.deepEqual(soldOut, [{ region: "fr-par", plan: "g6-standard-1", available: false }]);
            const all = await linode.getRegionAvailabilities({ page_size: 500 }, { available: false });
            assert.deepEqual(all.data, soldOut);
        });

        it("has images, found by an id with a slash in it", async () => {
            assert.deepEqual((await linode.getImage("linode/debian12")).capabilities, ["cloud-init"]);
            const { data } = await linode.getImages({}, { vendor: "Debian" });
            assert.deepEqual(data.map(({ id }) => id).sort(), [
                "linode/debian11",
                "linode/debian12",
                "linode/debian13",
            ]);
        });
    });

    it("the account, its settings and its profile", async () => {
        assert.ok((await linode.getAccountInfo()).capabilities.includes("VPCs"));
        assert.equal((await linode.getAccountSettings()).interfaces_for_new_linodes, "legacy_config_only");
        assert.equal((await linode.getProfile()).restricted, false);
        assert.ok((await linode.getAccountAvailabilities()).results > 10);
    });

    it("SSH keys", async () => {
        const key = await linode.createSSHKey({ label: "laptop", ssh_key: "ssh-ed25519 AAAAC3Nz laptop" });
        assert.deepEqual(await linode.getSSHKey(key.id), key);
        assert.equal((await linode.updateSSHKey(key.id, { label: "desk" })).label, "desk");
        assert.deepEqual((await linode.getSSHKeys({}, { label: "desk" })).results, 1);
        assert.deepEqual(await linode.deleteSSHKey(key.id), {});
        assert.equal((await refusal(linode.getSSHKey(key.id))).status, 404);
        const { errors } = await refusal(linode.createSSHKey({ label: "bad", ssh_key: "PRIVATE KEY" }));
        assert.equal(errors[0]!.field, "ssh_key");
    });

    it("domains and records", async () => {
        const domain = await linode.createDomain({
            domain: "example.org",
            type: "master",
            soa_email: "dns@example.org",
            tags: ["lab-d"],
        });
        assert.equal((await linode.updateDomain(domain.id, { ttl_sec: 300 })).ttl_sec, 300);
        assert.deepEqual((await linode.getDomains({}, { domain: "example.org" })).data[0]!.tags, ["lab-d"]);
        const record = await linode.createDomainRecord(domain.id, {
            type: "A",
            name: "www",
            target: "198.18.0.20",
        });
        assert.deepEqual(await linode.getDomainRecord(domain.id, record.id), record);
        const moved = await linode.updateDomainRecord(domain.id, record.id, { target: "198.18.0.21" });
        assert.deepEqual([moved.target, moved.name, moved.ttl_sec], ["198.18.0.21", "www", 0]);
        assert.equal((await linode.getDomainRecords(domain.id)).results, 1);
        assert.ok(await linode.getDomain(domain.id));
        assert.deepEqual(await linode.deleteDomainRecord(domain.id, record.id), {});
        await linode.createDomainRecord(domain.id, {
            type: "TXT",
            name: "",
            target: "kept until the zone goes",
        });
        assert.deepEqual(await linode.deleteDomain(domain.id), {});
        assert.ok(!emulator.inventory().some(({ kind }) => kind.startsWith("domain")));
    });

    it("an inventory of what has a tag, the same as the API's", async () => {
        await instance("tagged", { tags: ["lab-t", "server"] });
        await linode.createDomain({
            domain: "tagged.org",
            type: "slave",
            master_ips: ["198.18.0.9"],
            tags: ["lab-t"],
        });
        const kinds = emulator.inventory("lab-t").map(({ kind, label }) => [kind, label]);
        assert.deepEqual(kinds, [
            ["linode", "tagged"],
            ["domain", "tagged.org"],
        ]);
        const headers = { authorization: `Bearer ${emulator.token}` };
        const answer = await request(`${emulator.url}/v4/tags/lab-t`, { headers });
        const { data } = JSON.parse(answer.body) as { data: { type: string; data: { id: number } }[] };
        assert.deepEqual(
            data.map(({ type }) => type),
            ["linode", "domain"],
        );
        assert.ok(!answer.body.includes("hidden"), "what the API does not show stays inside");
    });

    it("calls are counted by method and route, whatever the version", async () => {
        await instance("counted");
        emulator.log.clear();
        const { data } = await linode.getLinodes();
        await Promise.all(data.map(({ id }) => linode.getLinode(id)));
        await linode.getNodeBalancerVPCConfigsBeta(1).catch(() => undefined);
        assert.ok(data.length > 1);
        assert.deepEqual(emulator.log.counts(), {
            "GET /linode/instances": 1,
            "GET /linode/instances/:id": data.length,
            "GET /nodebalancers/:id/vpcs": 1,
        });
        assert.equal(emulator.log.entries.at(-1)!.status, 404);
    });
});

import * as assert from "node:assert/strict";

import { applicationUnits } from "../../../components/applications/units";
import { eventually, pause } from "../../support/poll";
import { deregisterDelay, WebMachine } from "./machine";

describe("a machine with instances of an application", function () {
    this.timeout("4m");
    const machine = new WebMachine();
    before(() => machine.boot());
    after(() => machine.remove());

    it("has them running and registered when it is configured, now and after a boot", async () => {
        const report = await machine.configure(applicationUnits(machine.args([1, 2])));
        assert.deepEqual(report.restarted, [
            ...["webapp@1.service", "webapp-registration@1.service"],
            ...["webapp@2.service", "webapp-registration@2.service"],
        ]);
        await machine.has(1, 2);
        const page = await machine.page(`http://${machine.address}:9001/`);
        assert.match(page, /^200 Hello from webapp\n/);
        assert.match(page, /^instance +webapp-2$/m);
        assert.match(page, /^node +web-1 \(10\.230\./m);
        for (const unit of report.restarted) {
            assert.equal((await machine.inside("systemctl", "is-enabled", unit)).trim(), "enabled");
        }
    });

    it("gives them no more than they need", async () => {
        const format = [
            "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.ReadonlyRootfs}}",
            "{{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.PortBindings}}",
        ].join(" ");
        const state = await machine.inside("docker", "inspect", "--format", format, "webapp-1");
        const ports = `map[9000/tcp:[map[HostIp:${machine.address} HostPort:9000]]]`;
        assert.equal(state.trim(), `67108864 500000000 true [ALL] [no-new-privileges] ${ports}`);
    });

    it("deregisters one that is stopped before its process gets the signal", async () => {
        const stop = machine.inside("systemctl", "stop", "webapp@1.service");
        assert.equal(await machine.statusWithoutKey(1, 9000), "200", "it is gone already");
        assert.deepEqual(await machine.registered(), [`webapp-2 ${machine.address}:9001`]);
        await stop;
        const deregistered = await machine.said("webapp-registration@1.service", /^deregistered; /);
        const signalled = await machine.said("webapp@1.service", /^SIGTERM: draining/);
        // The journal's clock: it may have read the first line later than the second.
        const between = signalled - deregistered;
        assert.ok(between >= deregisterDelay - 0.5, `${between} s from the one to the other`);
        assert.doesNotMatch(await machine.containers("--all"), /webapp-1 /);
        await machine.inside("systemctl", "start", "webapp@1.service");
        await machine.has(1, 2);
    });

    it("has one back that died, which is out in the meantime", async () => {
        const id = (): Promise<string> => machine.inside("docker", "inspect", "--format={{.Id}}", "webapp-1");
        const before = await id();
        await machine.inside("docker", "kill", "webapp-1");
        await eventually("another one runs", async () => assert.notEqual(await id(), before));
        await machine.has(1, 2);
        await machine.said("webapp-registration@1.service", /^deregistered; /);
    });

    it("keeps the key of one whose registration died, which is back before the lease ends", async () => {
        const unit = "webapp-registration@1.service";
        const report = await machine.underLoad(async () => {
            await machine.inside("systemctl", "kill", "--signal=KILL", unit);
            // Twice as long as the lease.
            for (const end = Date.now() + 10_000; Date.now() < end; await pause(200)) {
                assert.equal((await machine.registered()).length, 2);
            }
        });
        assert.deepEqual([report.failures, report.fewest], [[], 2]);
        assert.equal((await machine.inside("systemctl", "is-active", unit)).trim(), "active");
    });

    it("takes a new image over, one after the other, and no request fails", async () => {
        const next = applicationUnits(machine.args([1, 2], { image: machine.images[1] }));
        const report = await machine.underLoad(async () => {
            const { restarted } = await machine.configure(next);
            assert.deepEqual(restarted, ["webapp@1.service", "webapp@2.service"]);
        });
        assert.deepEqual(report.failures, []);
        assert.equal(report.fewest, 1, "at no time there may be none");
        assert.ok(report.requests > 50, `only ${report.requests} requests`);
        assert.equal((await machine.containers()).match(/:2$/gm)?.length, 2);
        await machine.has(1, 2);
    });

    it("keeps what it has when a new image is none", async () => {
        const wrong = applicationUnits(machine.args([1, 2], { image: "127.0.0.1:1/nothing:1" }));
        const report = await machine.underLoad(async () => {
            await assert.rejects(
                machine.configure(wrong),
                /webapp@1\.service does not stay up[^]*connection refused[^]*No such image: 127\.0\.0\.1:1\/nothing[^]*The old files are back/,
            );
        });
        assert.deepEqual(report.failures, []);
        assert.equal(report.fewest, 1);
        await machine.has(1, 2);
        assert.equal((await machine.containers()).match(/:2$/gm)?.length, 2);
    });

    it("stops those that are no longer its own", async () => {
        const args = machine.args([2], { image: machine.images[1] });
        const report = await machine.underLoad(async () => {
            await machine.configure(applicationUnits(args));
        });
        assert.deepEqual(report.failures, []);
        await machine.has(2);
        assert.equal((await machine.containers("--all")).trim(), `webapp-2 ${machine.images[1]}`);
        await machine.configure(applicationUnits({ ...args, instances: [] }));
        await machine.has();
        assert.equal((await machine.containers("--all")).trim(), "");
    });

    it("tells why an instance does not come up, in its own words", async () => {
        const wrong = machine.args([1], { environment: { PORT: "none" } });
        await assert.rejects(
            machine.configure(applicationUnits(wrong)),
            /webapp@1\.service does not stay up[^]*PORT must be a whole number from 1 to 65535, not "none"/,
        );
    });

    it("has them back after a boot", async () => {
        await machine.configure(applicationUnits(machine.args([1])));
        await machine.restart();
        await machine.has(1);
    });
});

import * as assert from "node:assert/strict";

import { tail, type RunningCommand } from "../../support/command";
import { NomadLab } from "../../support/nomad-lab";
import { eventually } from "../../support/poll";

describe("nomad lab: interrupted", function () {
    this.timeout("20m");

    const lab = new NomadLab("e2e");
    const nothing = { containers: [], networks: [], volumes: [] };

    before("start afresh", async () => {
        await lab.stack.startAfresh();
        lab.stack.configure();
    });
    after("remove what is left", () => lab.stack.startAfresh());

    async function halfWay(up: RunningCommand): Promise<void> {
        await eventually(
            "the machine's container is there",
            async () => {
                const { containers } = await lab.stack.inventory();
                assert.ok(
                    containers.includes(lab.machine),
                    `containers: ${containers.join(", ")}; ${tail(up.output(), 5)}`,
                );
            },
            { within: 300 },
        );
    }

    it("ends soon after Ctrl-C, and the next down finishes the work", async () => {
        const up = lab.stack.start("up");
        await halfWay(up);
        up.signal("SIGINT");
        const result = await Promise.race([up.done, deadline(60)]);
        assert.notEqual(result.code, 0);
        await lab.stack.must("down");
        assert.deepEqual(await lab.stack.inventory(), nothing);
        assert.deepEqual(lab.stack.stateFiles(), []);
    });

    it("is finished by the next up after it was killed", async () => {
        const up = lab.stack.start("up");
        await halfWay(up);
        await up.kill();
        await up.done;
        await lab.up();
        await lab.works(3);
        await lab.stack.previewsNothing();
    });

    it("is removed by down although an up was killed meanwhile", async () => {
        lab.set({ webapp: { message: "half way" } });
        const up = lab.stack.start("up");
        await eventually(
            "a new version of the job is on its way",
            async () => assert.ok((await lab.nomad<{ Version: number }>("/v1/job/demo-webapp")).Version > 0),
            { within: 300 },
        );
        await up.kill();
        await up.done;
        await lab.stack.must("down");
        assert.deepEqual(await lab.stack.inventory(), nothing);
        assert.deepEqual(lab.stack.stateFiles(), []);
    });
});

function deadline(seconds: number): Promise<never> {
    return new Promise((_, reject) => {
        setTimeout(
            () => reject(new Error(`the command has not ended within ${seconds} s`)),
            seconds * 1000,
        ).unref();
    });
}

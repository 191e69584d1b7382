import * as assert from "node:assert/strict";

import { type EtcdLab, members } from "./etcd-lab";
import { eventually, pause } from "./poll";

const folder = "/proof/";

/** Writes to etcd, again and again, while members come and go; what was acknowledged has to be there afterwards. */
export class Writes {
    readonly acknowledged: string[] = [];
    /** Whether the last attempts have failed. */
    failing = false;
    private stopping = false;
    private readonly done: Promise<void>;

    /** @param from a machine that stays */
    constructor(
        private readonly lab: EtcdLab,
        private readonly from: string,
    ) {
        this.done = this.loop();
    }

    async stop(): Promise<void> {
        this.stopping = true;
        await this.done;
    }

    /** Waits until so many more writes are acknowledged than now. */
    more(count: number): Promise<void> {
        const wanted = this.acknowledged.length + count;
        return eventually(`${count} more writes`, () => assert.ok(this.acknowledged.length >= wanted), {
            within: 60,
        });
    }

    /** Every acknowledged write is there, with its value. Removes them. */
    async nothingIsLost(): Promise<void> {
        const found = await this.lab.keys(folder);
        const lost = this.acknowledged.filter((name) => found[folder + name] !== `value ${name}`);
        assert.deepEqual(lost, [], `of ${this.acknowledged.length} acknowledged writes`);
        await this.lab.etcdctl(["del", "--prefix", folder]);
    }

    private async loop(): Promise<void> {
        for (let n = 0, failed = 0; !this.stopping; n += 1) {
            const name = `${n}-${Date.now()}`;
            const flags = ["--command-timeout=2s", "--dial-timeout=1s"];
            // One member at a time: the client itself would choose.
            const of = [members[n % members.length]!];
            try {
                await this.lab.etcdctl([...flags, "put", folder + name, `value ${name}`], {
                    on: this.from,
                    of,
                });
                this.acknowledged.push(name);
                failed = 0;
            } catch {
                failed += 1;
            }
            this.failing = failed >= members.length;
            await pause(50);
        }
    }
}

/** Does something while there are writes, and makes sure that none is lost. */
export async function withWrites(
    lab: EtcdLab,
    action: (writes: Writes) => Promise<unknown>,
): Promise<Writes> {
    const writes = new Writes(lab, "balancer-1");
    try {
        await writes.more(5);
        await action(writes);
        await writes.more(5);
    } finally {
        await writes.stop();
    }
    await writes.nothingIsLost();
    return writes;
}

import assert from "node:assert/strict";

import { plain, UNKNOWN, type DetailedDiff, type ProviderHarness } from "../../support/provider-harness";

import type { Values } from "../../../plugins/lib";

export interface Made {
    id: string;
    outputs: Values;
    inputs: Values;
}

/** What the engine does with resources of one type. */
export class Resources {
    constructor(
        readonly provider: ProviderHarness,
        readonly type: string,
    ) {}

    async checked(args: Values): Promise<Values> {
        const { inputs, failures } = await this.provider.check(this.type, args);
        assert.deepEqual(failures, []);
        return inputs;
    }

    /** The names of the properties that are refused. */
    async refused(args: Values): Promise<string[]> {
        const { failures } = await this.provider.check(this.type, args);
        return failures.map(({ property }) => property).sort();
    }

    async made(args: Values): Promise<Made> {
        const inputs = await this.checked(args);
        return { ...(await this.provider.create(this.type, inputs)), inputs };
    }

    read({ id, outputs, inputs }: Made): Promise<Made | undefined> {
        return this.provider.read(this.type, id, outputs, inputs);
    }

    async diff({ id, outputs, inputs }: Made, args: Values): Promise<DetailedDiff> {
        return this.provider.diff(this.type, id, outputs, inputs, await this.checked(args));
    }

    async updated({ id, outputs, inputs }: Made, args: Values): Promise<Made> {
        const news = await this.checked(args);
        return {
            id,
            outputs: await this.provider.update(this.type, id, outputs, inputs, news),
            inputs: news,
        };
    }

    async removed({ id, outputs }: Made): Promise<void> {
        await this.provider.delete(this.type, id, plain(outputs));
    }

    /** A refresh and a second run find nothing to do. */
    async isSettled(made: Made): Promise<void> {
        const read = await this.read(made);
        assert.deepEqual(read?.inputs, made.inputs);
        assert.deepEqual(plain(read!.outputs), plain(made.outputs));
        assert.deepEqual((await this.diff(read!, made.inputs)).paths, {});
    }

    /** After a removal behind Pulumi's back: a refresh sees it, deletion succeeds, creation makes it anew. */
    async isRecreated(made: Made): Promise<Made> {
        assert.equal(await this.read(made), undefined);
        await this.removed(made);
        return { ...(await this.provider.create(this.type, made.inputs)), inputs: made.inputs };
    }

    /** The outputs of a creation that is previewed with every named property unknown. */
    async planned(args: Values, ...unknown: string[]): Promise<Values> {
        const inputs = await this.checked({
            ...args,
            ...Object.fromEntries(unknown.map((name) => [name, UNKNOWN])),
        });
        const { outputs } = await this.provider.create(this.type, inputs, { preview: true });
        for (const name of unknown) {
            assert.equal(outputs[name], UNKNOWN, name);
        }
        return outputs;
    }
}

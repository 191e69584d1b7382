import * as assert from "node:assert/strict";
import * as path from "node:path";

import { root, run } from "../../support/command";

/** The caller's environment, without what an outer make has set. */
const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(MAKE|MFLAGS|STACK$|ONLY$)/.test(name)),
);

async function refused(command: string, args: string[], env: Record<string, string>): Promise<string> {
    const { code, output } = await run(command, args, { env: { ...clean, ...env } });
    assert.notEqual(code, 0, output);
    assert.doesNotMatch(output, /\n +at /, "a refusal comes without a stack trace");
    return output;
}

const drill = (env: Record<string, string>): Promise<string> =>
    refused(path.join(root, "node_modules", ".bin", "tsx"), ["drills/main.ts"], env);

describe("drills: refusals", function () {
    this.timeout("2m");

    it("break nothing by default: the stack has to be named", async () => {
        const output = await refused("make", ["--no-print-directory", "drill"], {});
        assert.match(output, /which stack\?\n.*make drill STACK=routed/);
    });

    it("refuse a stack of another lab, and drills that there are not", async () => {
        assert.match(
            await drill({ STACK: "sticky" }),
            /sticky is the lab sticky; drills are for the lab routed/,
        );
        assert.match(await drill({ STACK: "nowhere" }), /there is no Pulumi\.nowhere\.yaml/);
        assert.match(
            await drill({ STACK: "routed", ONLY: "disk earthquake" }),
            /no drill is called earthquake; there are .*consul-leader/,
        );
    });
});

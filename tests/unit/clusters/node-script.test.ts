import * as assert from "node:assert/strict";

import { packed, scriptProgram } from "../../../components/clusters/node-script";
import { output } from "../../support/command";
import { unpacked } from "../../support/packed";

describe("a script as a command's input", () => {
    const program = "print('\u2713 ' * 3)\n".repeat(40);

    it("unpacks itself and runs as it was", async () => {
        const text = packed(program);
        assert.ok(text.length < program.length / 2, `${text.length} of ${program.length} characters`);
        assert.equal(unpacked(text), `import base64, zlib\n${program}\n`);
        assert.equal(await output("python3", ["-"], { input: text }), "\u2713 \u2713 \u2713 \n".repeat(40));
    });

    it("is the same wherever it is packed: another text would run every command again", () => {
        assert.equal(
            packed("print(1)\n"),
            'import base64, zlib\nexec(zlib.decompress(base64.b64decode("eNorKMrMK9Ew1OQCABDPAro=")))\n',
        );
    });

    it("carries quotes, line ends and other alphabets", async () => {
        const secret = { text: `"it's" \\ and\nmore\u2028 \u00e4 \ud83d\ude00` };
        const show = 'import json\nrun = ""\ndef show(_, secret): print(json.dumps(secret))\n';
        const { stdin } = scriptProgram([], {}, "show", secret);
        const printed = await output("python3", ["-"], { input: `${show}${stdin}` });
        assert.deepEqual(JSON.parse(printed), secret);
    });
});

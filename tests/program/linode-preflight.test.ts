import * as assert from "node:assert/strict";

import { LinodeEmulator } from "../support/linode/emulator";
import { runProgram } from "../support/mocks";

/** The whole program on Linode as far as it may come: no resource may be registered, or the mocks refuse it. */
describe("the program, before it makes anything at Linode", () => {
    const emulator = new LinodeEmulator({ speed: 0 });
    const before_ = { token: process.env["LINODE_TOKEN"], url: process.env["LINODE_URL"] };
    before(() => emulator.start());
    beforeEach(() => use(emulator.token, emulator.url));
    after(async () => {
        use(before_.token, before_.url);
        await emulator.stop();
    });

    function use(token: string | undefined, url: string | undefined): void {
        for (const [name, value] of [
            ["LINODE_TOKEN", token],
            ["LINODE_URL", url],
        ] as const) {
            if (value === undefined) {
                delete process.env[name];
            } else {
                process.env[name] = value;
            }
        }
    }

    const refused = (settings: object, says: RegExp) =>
        assert.rejects(
            runProgram({ lab: "nomad", substrate: "linode", ...settings }, { preview: true, computed: {} }),
            says,
        );

    it("lists every setting that the API knows to be wrong", async () => {
        const linode = { region: "us-west", type: "g6-standrd-1", operators: ["203.0.113.7/32"] };
        await refused(
            { linode },
            /has 2 settings to correct; nothing was changed:\n {2}gatehouse:linode\.region: us-west has no VPCs.*\n {2}gatehouse:linode\.type: .*did you mean g6-standard-1/,
        );
    });

    it("wants a token, and says where to put it", async () => {
        use(undefined, emulator.url);
        await refused({}, /linode:token: missing[^]*LINODE_TOKEN[^]*Nothing was changed/);
        use("wrong", emulator.url);
        await refused({}, /linode:token: .*Invalid Token[^]*profile\/tokens/);
    });

    it("says which address does not answer", async () => {
        use(emulator.token, "http://127.0.0.1:9");
        await refused({}, /127\.0\.0\.1:9\) cannot be reached[^]*check LINODE_URL/);
    });
});

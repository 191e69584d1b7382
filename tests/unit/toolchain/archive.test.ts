import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

import * as fc from "fast-check";

import { unzipFile } from "../../../toolchain/archive";
import { makeZip } from "./zip";

describe("unzipFile", () => {
    let folder: string;
    beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), "gatehouse-zip-"))));
    afterEach(() => fs.rmSync(folder, { recursive: true }));

    async function roundTrip(archive: Buffer, member: string): Promise<Buffer> {
        const [from, to] = [path.join(folder, "a.zip"), path.join(folder, "out")];
        fs.writeFileSync(from, archive);
        await unzipFile(from, member, to);
        return fs.readFileSync(to);
    }

    it("finds any file among others, stored or compressed", async () => {
        await fc.assert(
            fc.asyncProperty(
                fc.uint8Array({ maxLength: 3000 }),
                fc.uint8Array({ maxLength: 300 }),
                fc.boolean(),
                async (content, other, store) => {
                    const files = {
                        "a/other": { content: Buffer.from(other) },
                        "a/b/tool": { content: Buffer.from(content), store },
                        last: { content: Buffer.from("last") },
                    };
                    assert.deepEqual(await roundTrip(makeZip(files), "a/b/tool"), Buffer.from(content));
                },
            ),
            { numRuns: 30 },
        );
    });

    it("makes it executable", async () => {
        await roundTrip(makeZip({ tool: { content: Buffer.from("x") } }), "tool");
        assert.equal(fs.statSync(path.join(folder, "out")).mode & 0o111, 0o111);
    });

    it("refuses an archive that is cut off anywhere", async () => {
        const whole = makeZip({ tool: { content: Buffer.alloc(400, 7), store: true } });
        for (let length = 0; length < whole.length; length += 50) {
            await assert.rejects(roundTrip(whole.subarray(0, length), "tool"));
        }
    });

    it("names the file that is not there", async () => {
        await assert.rejects(roundTrip(makeZip({ tool: { content: Buffer.from("x") } }), "toll"), /no toll/);
    });
});

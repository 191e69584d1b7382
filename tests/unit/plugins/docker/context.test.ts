import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { contextDigest, packContext, readContext } from "../../../../plugins/docker/build-context";

describe("docker build context", () => {
    let folder: string;
    const write = (path: string, content = path): void => writeFileSync(join(folder, path), content);
    const digest = async (dockerfile = join(folder, "Dockerfile")): Promise<string> =>
        contextDigest(await readContext(folder, dockerfile));
    const paths = async (): Promise<string[]> =>
        (await readContext(folder, join(folder, "Dockerfile"))).entries.map((entry) => entry.path);

    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "context-"));
        mkdirSync(join(folder, "src", "deep"), { recursive: true });
        mkdirSync(join(folder, "node_modules"));
        ["Dockerfile", "a.txt", "src/b.txt", "src/deep/c.log", "node_modules/d.js"].forEach((path) =>
            write(path),
        );
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    it("honours .dockerignore, with exceptions, and keeps what the builder needs", async () => {
        write(".dockerignore", "node_modules\n**/*.log\n!src/deep/c.log\nDockerfile\n# a comment\n");
        assert.deepEqual(await paths(), [
            ".dockerignore",
            "Dockerfile",
            "a.txt",
            "src/b.txt",
            "src/deep/c.log",
        ]);
    });

    it("prefers the Dockerfile's own ignore file", async () => {
        write(".dockerignore", "a.txt\n");
        write("web.Dockerfile");
        write("web.Dockerfile.dockerignore", "src\n");
        const { entries } = await readContext(folder, join(folder, "web.Dockerfile"));
        const found = entries.map((entry) => entry.path);
        assert.ok(found.includes("a.txt"));
        assert.ok(!found.includes("src/b.txt"));
    });

    it("has a digest that follows content, names, modes, links and the Dockerfile, and nothing else", async () => {
        write(".dockerignore", "node_modules\n");
        const seen = [await digest()];
        write("node_modules/d.js", "ignored");
        assert.equal(await digest(), seen[0]);
        const step = async (change: () => void): Promise<void> => {
            change();
            const next = await digest();
            assert.ok(!seen.includes(next), "the digest did not change");
            seen.push(next);
        };
        await step(() => write("a.txt", "other"));
        await step(() => write("e.txt", "other"));
        await step(() => chmodSync(join(folder, "a.txt"), 0o755));
        await step(() => symlinkSync("a.txt", join(folder, "link")));
        await step(() => write("Dockerfile", "FROM other"));
    });

    it("takes along a Dockerfile from outside the context", async () => {
        const outside = mkdtempSync(join(tmpdir(), "dockerfile-"));
        try {
            writeFileSync(join(outside, "Dockerfile"), "FROM scratch");
            const context = await readContext(folder, join(outside, "Dockerfile"));
            const { extract } = await import("tar-stream");
            const names: string[] = [];
            const archive = extract();
            archive.on("entry", (header, stream, next) => {
                names.push(header.name);
                stream.on("end", next);
                stream.resume();
            });
            const finished = new Promise((resolve) => archive.on("finish", () => resolve(undefined)));
            (await packContext(context)).pipe(archive as unknown as NodeJS.WritableStream);
            await finished;
            assert.match(context.dockerfileName, /^\.dockerfile\.[0-9a-f]{20}$/);
            assert.ok(names.includes(context.dockerfileName));
            assert.ok(names.includes("src/deep/c.log"));
        } finally {
            rmSync(outside, { recursive: true });
        }
    });
});

import * as assert from "node:assert/strict";
import {
    chmodSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    statSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";

import { applications } from "../../../components/images/applications";
import { prepareContext } from "../../../components/images/bundle";
import { root, run } from "../../support/command";

describe("prepareContext", () => {
    let build: string;
    beforeEach(() => (build = mkdtempSync(path.join(tmpdir(), "gatehouse-build-"))));
    afterEach(() => rmSync(build, { recursive: true, force: true }));

    const prepare = (app: string): string => path.resolve(root, prepareContext(app, build));
    const snapshot = (folder: string): Record<string, string> =>
        Object.fromEntries(
            readdirSync(folder, { recursive: true, encoding: "utf8" })
                .filter((file) => statSync(path.join(folder, file)).isFile())
                .map((file) => [file, readFileSync(path.join(folder, file), "utf8")]),
        );

    it("gives the same bytes and times every time, and touches nothing that is right", () => {
        const first = prepare("counter-dashboard");
        const before = snapshot(first);
        const inode = statSync(path.join(first, "main.js")).ino;
        const second = prepare("counter-dashboard");
        assert.equal(second, first);
        assert.deepEqual(snapshot(second), before);
        assert.equal(statSync(path.join(second, "main.js")).ino, inode);
        assert.equal(statSync(path.join(second, "main.js")).mtimeMs, 0);
    });

    it("says nothing about the machine that bundled", () => {
        assert.ok(!readFileSync(path.join(prepare("hello"), "main.js"), "utf8").includes(root));
    });

    it("removes what is no part of the application any more, and repairs what was changed", () => {
        const context = prepare("hello");
        const expected = snapshot(context);
        writeFileSync(path.join(context, "left-over.js"), "");
        writeFileSync(path.join(context, "main.js"), "broken");
        prepare("hello");
        assert.deepEqual(snapshot(context), expected);
    });

    it("brings everything that the Dockerfile copies", () => {
        for (const app of applications) {
            const context = prepare(app);
            const dockerfile = readFileSync(path.join(context, "Dockerfile"), "utf8");
            for (const [, sources] of dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)) {
                for (const source of sources!.split(" ")) {
                    assert.ok(existsSync(path.join(context, source)), `${app}: ${source}`);
                }
            }
        }
    });

    describe("with a context.json", () => {
        it("brings files and folders from elsewhere, with their modes, and not the list itself", () => {
            const context = prepare("templater");
            const files = Object.keys(snapshot(context)).sort();
            assert.ok(!files.includes("context.json"), files.join(" "));
            assert.ok(files.includes(path.join("errors", "unavailable.html")), files.join(" "));
            for (const [name, mode] of [
                ["haproxy-render", 0o755],
                ["templater", 0o755],
                ["haproxy-common", 0o644],
            ] as const) {
                assert.equal(statSync(path.join(context, name)).mode & 0o777, mode, name);
                assert.equal(statSync(path.join(context, name)).mtimeMs, 0, name);
            }
            const shared = path.join(root, "components/balancers/guard/haproxy-render");
            assert.equal(snapshot(context)["haproxy-render"], readFileSync(shared, "utf8"));
        });

        it("repairs a mode that was changed", () => {
            const file = path.join(prepare("haproxy"), "haproxy-run");
            chmodSync(file, 0o644);
            prepare("haproxy");
            assert.equal(statSync(file).mode & 0o777, 0o755);
        });

        it("refuses what does not exist or lies outside the checkout", () => {
            const images = path.join(build, "images");
            mkdirSync(path.join(images, "odd"), { recursive: true });
            for (const target of ["components/none", "../../etc/passwd"]) {
                writeFileSync(path.join(images, "odd", "context.json"), JSON.stringify({ a: target }));
                assert.throws(
                    () => prepareContext("odd", build, images),
                    /context\.json: ".+" is no file or folder of this checkout/,
                );
            }
        });
    });

    it("bundles programs that run without node_modules", async () => {
        for (const app of ["hello", "counter-api", "counter-dashboard", "monitor"]) {
            const { code, output } = await run(process.execPath, [path.join(prepare(app), "main.js")], {
                cwd: build,
                env: { PORT: "none" },
            });
            assert.equal(code, 1, app);
            assert.match(output, /^PORT must be a whole number/m, app);
        }
    });
});

describe("the Dockerfiles", () => {
    const folders = readdirSync(path.join(root, "images"), { withFileTypes: true })
        .filter(
            (entry) => entry.isDirectory() && existsSync(path.join(root, "images", entry.name, "Dockerfile")),
        )
        .map((entry) => entry.name);

    for (const folder of folders) {
        it(`${folder} takes its parent as an argument and needs no BuildKit`, () => {
            const text = readFileSync(path.join(root, "images", folder, "Dockerfile"), "utf8");
            const [first, second] = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
            assert.equal(first, "ARG PARENT");
            assert.match(String(second), /^FROM \$\{PARENT\}( AS \w+)?$/);
            assert.doesNotMatch(text, /--mount|<<|COPY --chmod|COPY --link|# syntax=/);
        });
    }
});

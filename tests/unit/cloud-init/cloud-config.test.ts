import * as assert from "node:assert/strict";

import * as fc from "fast-check";
import { parse } from "yaml";

import { type CloudConfig, mergeCloudConfig, renderUserData, userDataLimit } from "../../../cloud-init";

const file = (name: string, content = name) => ({ path: `/etc/${name}`, content });

describe("cloud-init documents", () => {
    it("join lists in order and keep what two roles share only once", () => {
        const merged = mergeCloudConfig(
            { ssh_authorized_keys: ["one"], write_files: [file("a"), file("b")], runcmd: [["a"]] },
            {
                ssh_authorized_keys: ["one", "two"],
                write_files: [file("b"), file("c")],
                runcmd: [["b"], ["a"]],
            },
        );
        assert.deepEqual(merged, {
            ssh_authorized_keys: ["one", "two"],
            write_files: [file("a"), file("b"), file("c")],
            runcmd: [["a"], ["b"]],
        });
    });

    it("join objects key by key", () => {
        const keys = { ed25519_private: "a", ed25519_public: "b" };
        const merged = mergeCloudConfig({ ssh_keys: keys }, { hostname: "a", ssh_keys: { ...keys } });
        assert.deepEqual(merged, { hostname: "a", ssh_keys: keys });
    });

    it("refuse two roles that disagree, naming the setting", () => {
        assert.throws(
            () => mergeCloudConfig({ ssh_pwauth: true }, { ssh_pwauth: false }),
            /disagree on ssh_pwauth: true and false/,
        );
        assert.throws(
            () =>
                mergeCloudConfig(
                    { ssh_keys: { ed25519_private: "a", ed25519_public: "c" } },
                    { ssh_keys: { ed25519_private: "a", ed25519_public: "d" } },
                ),
            /disagree on ssh_keys\.ed25519_public/,
        );
    });

    it("refuse one file with two contents, but not one that is added to", () => {
        assert.throws(
            () => mergeCloudConfig({ write_files: [file("a", "1")] }, { write_files: [file("a", "2")] }),
            /different contents to \/etc\/a/,
        );
        const appended = mergeCloudConfig(
            { write_files: [file("a", "1")] },
            { write_files: [{ ...file("a", "2"), append: true }] },
        );
        assert.equal(appended.write_files?.length, 2);
    });

    it("leave their parts untouched", () => {
        const part: CloudConfig = { ssh_authorized_keys: ["one"], write_files: [file("a")] };
        const before = structuredClone(part);
        mergeCloudConfig(part, { ssh_authorized_keys: ["two"], write_files: [file("b")] });
        assert.deepEqual(part, before);
    });

    it("mean after YAML what they meant before", () => {
        fc.assert(
            fc.property(
                fc.array(fc.string({ unit: "grapheme", maxLength: 200 }), { maxLength: 5 }),
                (contents) => {
                    const config: CloudConfig = {
                        write_files: contents.map((content, index) => file(`f${index}`, content)),
                        runcmd: [contents],
                    };
                    const rendered = renderUserData(config);
                    assert.ok(rendered.startsWith("#cloud-config\n"));
                    assert.deepEqual(parse(rendered), config);
                },
            ),
        );
    });

    it("are refused above the clouds' limit, with the files that make them large", () => {
        const large = { write_files: [file("small", "x"), file("large", "x".repeat(userDataLimit))] };
        assert.throws(
            () => renderUserData(large),
            /at most 12288\. Its largest files: \/etc\/large \(12288\)/,
        );
    });
});

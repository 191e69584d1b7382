import * as assert from "node:assert/strict";

import { parse } from "yaml";

import { rehearsedStackFile } from "../../../rehearsal/stack-file";

describe("the stack file of a rehearsal", () => {
    const given = [
        "encryptionsalt: v1:abc",
        "config:",
        "  gatehouse:lab: nomad # a comment",
        "  gatehouse:substrate: linode",
        "  linode:token:",
        "    secure: v1:def",
        "  linode:url: https://api.linode.com",
        "",
    ].join("\n");

    it("knows neither the user's token nor another API nor the key of his secrets", () => {
        const text = rehearsedStackFile(given, "/nowhere");
        assert.deepEqual(parse(text), {
            config: {
                "gatehouse:lab": "nomad",
                "gatehouse:substrate": "linode",
                "linode:configPath": "/nowhere",
            },
        });
        assert.match(text, /nomad # a comment/);
    });

    it("refuses other secrets, which it could not read", () => {
        const text = `${given}  gatehouse:webapp:\n    message:\n      secure: v1:ghi\n`;
        assert.throws(() => rehearsedStackFile(text, "/nowhere"), /gatehouse:webapp is a secret/);
    });
});

import * as assert from "node:assert/strict";

import * as pulumi from "@pulumi/pulumi";

import {
    type EtcdRollArgs,
    packed,
    rollArgument,
    rollSecrets,
    scriptProgram,
    withEndpoints,
} from "../../../components/clusters/node-script";
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

describe("what a node that takes turns is told of etcd", () => {
    const roll: EtcdRollArgs = {
        role: "client",
        etcd: {
            endpoints: pulumi.output(["https://10.0.0.1:2379"]),
            caFile: "/ca",
            certificateFile: "/certificate",
            keyFile: "/key",
            user: "nodes",
            password: pulumi.secret("a password"),
        },
    };
    const known = <T>(value: pulumi.Input<T>): Promise<unknown> =>
        new Promise((resolve) => pulumi.unsecret(pulumi.output(value)).apply(resolve));

    it("is in its command, except the password, which is its input's", async () => {
        const command = withEndpoints(roll, (endpoints) =>
            JSON.stringify(rollArgument("web-1", roll, endpoints)),
        );
        assert.equal(await pulumi.isSecret(pulumi.output(command)), false);
        assert.deepEqual(JSON.parse((await known(command)) as string), {
            node: "web-1",
            state: "/var/lib/gatehouse",
            role: "client",
            timeout: 300,
            etcd: {
                endpoints: ["https://10.0.0.1:2379"],
                ca: "/ca",
                certificate: "/certificate",
                key: "/key",
                user: "nodes",
            },
        });
        const secrets = rollSecrets(roll);
        assert.equal(await pulumi.isSecret(secrets), true);
        assert.deepEqual(await known(secrets), { etcd: "a password" });
    });
});

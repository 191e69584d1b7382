import * as assert from "node:assert/strict";
import { createHash } from "node:crypto";

import * as pulumi from "@pulumi/pulumi";
import * as fc from "fast-check";

import { CertificateAuthority, type CertificateArgs } from "../../components/security/pki";
import { ClusterTokens, uuidOf } from "../../components/security/tokens";
import { securityProgram, type SecuritySettings } from "./security-program";

/** What the providers would answer, none of it marked as secret: the components have to do that. */
function computed(type: string, name: string): Record<string, unknown> {
    const bytes = createHash("sha256").update(name).digest();
    switch (type) {
        case "random:index/randomBytes:RandomBytes":
            return { base64: bytes.toString("base64"), hex: bytes.subarray(0, 16).toString("hex") };
        case "tls:index/privateKey:PrivateKey":
            return { privateKeyPem: `key of ${name}\n` };
        case "tls:index/certRequest:CertRequest":
            return { certRequestPem: `request of ${name}\n` };
        case "tls:index/selfSignedCert:SelfSignedCert":
        case "tls:index/locallySignedCert:LocallySignedCert":
            return { certPem: `${name}\n`, validityEndTime: "2036-01-01T00:00:00Z" };
        default:
            throw new Error(`unmocked resource type ${type} (${name})`);
    }
}

interface Settled {
    value: unknown;
    secret: boolean;
}

/** Runs a program without an engine; returns what it registered and its outputs by path. */
async function mocked(
    program: () => Record<string, unknown>,
    preview = false,
): Promise<{ registered: string[]; outputs: Map<string, Settled> }> {
    const registered: string[] = [];
    await pulumi.runtime.setMocks(
        {
            newResource: ({ type, name, inputs, custom }) => {
                registered.push(`${type} ${name}`);
                if (custom === false) {
                    return { id: undefined, state: inputs };
                }
                const state = computed(type, name);
                const unknown = Object.keys(state).map((key) => [key, pulumi.runtime.unknownValue]);
                return preview
                    ? { id: "", state: { ...inputs, ...Object.fromEntries(unknown) } }
                    : { id: `${name}-id`, state: { ...inputs, ...state } };
            },
            call: ({ token }) => {
                throw new Error(`unmocked call ${token}`);
            },
        },
        "gatehouse",
        "test",
        preview,
    );
    const outputs = new Map<string, Settled>();
    await pulumi.runtime.runInPulumiStack(async () => {
        await settle(program(), [], outputs);
        return {};
    });
    await pulumi.runtime.disconnect();
    return { registered: registered.sort(), outputs };
}

async function settle(value: unknown, at: string[], into: Map<string, Settled>): Promise<void> {
    if (pulumi.Output.isInstance(value)) {
        const output = value as pulumi.Output<unknown> & {
            promise(): Promise<unknown>;
            isSecret: Promise<boolean>;
        };
        into.set(at.join("."), { value: await output.promise(), secret: await output.isSecret });
    } else if (typeof value === "object" && value !== null) {
        for (const [key, each] of Object.entries(value)) {
            await settle(each, [...at, key], into);
        }
    }
}

const settings: SecuritySettings = { nodes: ["server-1", "client-1"] };
const certificate: CertificateArgs = {
    commonName: "server-1",
    dnsNames: ["server.dc1.consul"],
    usages: ["server", "client"],
    lifetimeDays: 365,
    earlyRenewalDays: 30,
    rotation: 1,
};

describe("the secrets of a cluster", () => {
    it("are the same resources in a preview, where all their values are unknown", async () => {
        const program = () => securityProgram(settings);
        const [update, preview] = [await mocked(program), await mocked(program, true)];
        assert.ok(update.registered.length > 30, `${update.registered.length} resources`);
        assert.deepEqual(preview.registered, update.registered);
        assert.deepEqual([...preview.outputs.keys()], [...update.outputs.keys()]);
    });

    for (const preview of [false, true]) {
        it(`are marked as secret by their components, ${preview ? "in a preview" : "in an update"}`, async () => {
            const { outputs } = await mocked(() => securityProgram(settings), preview);
            const secret =
                /^(identities\..*\.keyPem|gossip\..*|lastingTokens\..*|tokens\..*|generations\..*)$/;
            assert.ok([...outputs.keys()].filter((path) => secret.test(path)).length > 30);
            for (const [path, settled] of outputs) {
                assert.equal(settled.secret, secret.test(path), path);
            }
        });
    }

    it("are trusted with those of the generations that nodes still know", async () => {
        const bundleOf = async (ca: SecuritySettings["ca"]) => {
            const { outputs } = await mocked(() => securityProgram({ ...settings, ca }));
            return outputs.get("bundlePem")?.value;
        };
        const pem = (generation: number) => `consul-ca-generation-${generation}-certificate\n`;
        assert.equal(await bundleOf({}), pem(1));
        assert.equal(await bundleOf({ generation: 2, alsoTrusted: [1] }), pem(2) + pem(1));
        assert.equal(await bundleOf({ generation: 2, alsoTrusted: [3, 2, 1, 3] }), pem(2) + pem(3) + pem(1));
    });
});

describe("arguments that no cluster can live with", () => {
    /** What the one error says, line by line, without whose arguments they are. */
    async function refusal(program: () => unknown): Promise<string[]> {
        let lines: string[] | undefined;
        await mocked(() => {
            try {
                program();
            } catch (error) {
                assert.ok(pulumi.InputPropertiesError.isInstance(error), String(error));
                assert.deepEqual(
                    error.message.split("\n").slice(1),
                    error.errors.map(({ propertyPath, reason }) => `  ${propertyPath}: ${reason}`),
                );
                lines = error.message.split("\n");
            }
            return {};
        });
        assert.ok(lines, "it is accepted");
        return lines;
    }
    const authority = (args: object) => () =>
        new CertificateAuthority("ca", { commonName: "Gatehouse CA", ...args });
    const issued =
        (args: object, name = "server-1") =>
        () =>
            new CertificateAuthority("ca", { commonName: "CA", lifetimeDays: 400 }).issue(name, {
                ...certificate,
                ...args,
            });

    it("are refused of a CA, all of them at once", async () => {
        const wrong = { commonName: " ", lifetimeDays: 0, generation: 1.5, alsoTrusted: [2, -1] };
        assert.deepEqual(await refusal(authority(wrong)), [
            "Wrong arguments of the CA ca:",
            "  commonName: must not be empty",
            "  lifetimeDays: must be a whole number from 1 up, but is 0",
            "  generation: must be a whole number from 1 up, but is 1.5",
            "  alsoTrusted[1]: must be a whole number from 1 up, but is -1",
        ]);
        assert.match((await refusal(authority({ commonName: "x".repeat(57) })))[1]!, /at most 56 characters/);
    });

    const table: [string, object, RegExp][] = [
        ["no common name", { commonName: "" }, /^ {2}commonName: must not be empty$/],
        ["a common name too long", { commonName: "x".repeat(65) }, /^ {2}commonName: .*at most 64/],
        ["nobody's", { commonName: undefined }, /^ {2}commonName: must not be empty$/],
        [
            "an organization too long",
            { commonName: undefined, organization: "x".repeat(65) },
            /^ {2}organization: .*at most 64/,
        ],
        ["an empty name", { dnsNames: ["a.lab", ""] }, /^ {2}dnsNames\[1\]: must not be empty$/],
        ["a server without a name", { dnsNames: [] }, /^ {2}dnsNames: must have a name/],
        ["no use", { usages: [] }, /^ {2}usages: must have "server", "client" or both$/],
        ["a lifetime of nothing", { lifetimeDays: 0 }, /^ {2}lifetimeDays: .*but is 0$/],
        ["a lifetime below zero", { lifetimeDays: -365 }, /^ {2}lifetimeDays: .*but is -365$/],
        ["half a day", { lifetimeDays: 31.5 }, /^ {2}lifetimeDays: .*but is 31.5$/],
        ["no number", { lifetimeDays: NaN }, /^ {2}lifetimeDays: .*but is NaN$/],
        ["a lifetime beyond the CA's", { lifetimeDays: 401 }, /^ {2}lifetimeDays: .*400 days, but is 401$/],
        ["no renewal window", { earlyRenewalDays: 0 }, /^ {2}earlyRenewalDays: .*but is 0$/],
        [
            "a window as long as the lifetime",
            { earlyRenewalDays: 365 },
            /^ {2}earlyRenewalDays: must be shorter/,
        ],
        ["rotation 0", { rotation: 0 }, /^ {2}rotation: .*but is 0$/],
    ];
    for (const [what, args, said] of table) {
        it(`are refused of a certificate: ${what}`, async () => {
            const [owner, ...problems] = await refusal(issued(args));
            assert.equal(owner, "Wrong arguments of the certificate server-1:");
            assert.equal(problems.length, 1, problems.join());
            assert.match(problems[0]!, said);
        });
    }

    it("are refused of a certificate without a name of its own", async () => {
        assert.deepEqual((await refusal(issued({}, ""))).slice(1), ["  name: must not be empty"]);
    });

    it("are not: the longest and shortest that are allowed", async () => {
        for (const args of [
            { lifetimeDays: 400, earlyRenewalDays: 399 },
            { lifetimeDays: 2, earlyRenewalDays: 1 },
            { usages: ["client"] as const, dnsNames: [] },
            { dnsNames: [], ipAddresses: ["127.0.0.1"] },
            { commonName: "x".repeat(64) },
            { commonName: undefined, organization: "x".repeat(64) },
        ]) {
            await mocked(() => ({ ...issued(args)() }));
        }
    });

    it("are refused of tokens", async () => {
        const tokens = (args: { nodes: string[]; rotation?: number }) => () =>
            new ClusterTokens("tokens", args);
        assert.deepEqual(await refusal(tokens({ nodes: ["server-1", "", "server-1"], rotation: 0 })), [
            "Wrong arguments of the tokens tokens:",
            "  nodes[1]: must not be empty",
            '  nodes[2]: is "server-1", as nodes[0] is; give each its own name',
            "  rotation: must be a whole number from 1 up, but is 0",
        ]);
    });
});

describe("a UUID of random bytes", () => {
    it("is of version 4, and keeps all other bits", () => {
        assert.equal(uuidOf("00112233445566778899aabbccddeeff"), "00112233-4455-4677-8899-aabbccddeeff");
        assert.equal(uuidOf("ffffffffffffffffffffffffffffffff"), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        fc.assert(
            fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
                const hex = Buffer.from(bytes).toString("hex");
                const uuid = uuidOf(hex);
                assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
                const back = BigInt(`0x${uuid.replaceAll("-", "")}`) ^ BigInt(`0x${hex}`);
                const fixed = BigInt(`0x${"0".repeat(12)}f000c${"0".repeat(15)}`);
                assert.equal(back & ~fixed, 0n);
            }),
        );
    });
});

import * as assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import * as path from "node:path";

import { changesBetween, type Deployed, EngineStack, type Snapshot } from "./security-engine";
import { handshake } from "./security-handshake";
import type { Identity, SecurityOutputs, SecuritySettings } from "./security-program";

const day = 24 * 3_600_000;
const nodes = ["server-1", "client-1"];
const uuid4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The resources behind a leaf of the CA, or those that a renewal replaces. */
const requestAndCertificate = (leaf: string) => [
    `tls:index/certRequest:CertRequest ${leaf}-request`,
    certificateOf(leaf),
];
const certificateOf = (leaf: string) => `tls:index/locallySignedCert:LocallySignedCert ${leaf}-certificate`;
const keyOf = (name: string) => `tls:index/privateKey:PrivateKey ${name}-key`;
const leafOf = (leaf: string) => [keyOf(leaf), ...requestAndCertificate(leaf)];
const generationOf = (ca: string, generation: number) => [
    keyOf(`${ca}-generation-${generation}`),
    `tls:index/selfSignedCert:SelfSignedCert ${ca}-generation-${generation}-certificate`,
];
const bytes = (name: string) => `random:index/randomBytes:RandomBytes ${name}`;
const tokenOf = (generation: number, role: string) => bytes(`tokens-${role}-generation-${generation}`);
const consulRoles = [
    "balancer",
    "dns",
    "nomad-client",
    "nomad-server",
    "operator",
    "roll",
    "snapshot",
] as const;
const rotatedRoles = [...consulRoles, ...nodes.map((node) => `agent-${node}`)];
const ownLeaves = [...nodes, "endpoint", "operator"].map((name) => `consul-ca-${name}`);
const strangers = "nomad-ca-stranger";

describe("the secrets of a cluster, made by the real engine", function () {
    this.timeout("3m");

    let stack: EngineStack<SecuritySettings, SecurityOutputs>;
    let first: Snapshot<SecurityOutputs>;
    before(async () => {
        const module = path.join(__dirname, "security-program");
        stack = await EngineStack.make({ module, function: "securityProgram" });
        first = await stack.up({ nodes });
    });
    after(() => stack?.remove());

    it("are exactly these, each below its component", () => {
        assert.deepEqual(
            [...first.resources.keys()].sort(),
            [
                ...[...ownLeaves, strangers].flatMap(leafOf),
                ...generationOf("consul-ca", 1),
                ...generationOf("nomad-ca", 1),
                bytes("tokens-consul-management"),
                bytes("tokens-nomad-management"),
                // What is used, and what a rotation will use.
                ...[1, 2].flatMap((generation) => rotatedRoles.map((role) => tokenOf(generation, role))),
                bytes("consul-gossip"),
                bytes("nomad-gossip"),
            ].sort(),
        );
        const components = new Map(first.components.map(({ urn, name }) => [urn, name]));
        assert.deepEqual([...components.values()].sort(), ["consul-ca", "nomad-ca", "tokens"]);
        for (const { name, parent } of first.resources.values()) {
            const above = components.get(parent);
            assert.ok(name.endsWith("-gossip") ? above === undefined : name.startsWith(`${above}-`), name);
        }
    });

    it("are secret wherever they are kept or shown, and nothing else is", async () => {
        const { identities, gossip, lastingTokens, tokens: current, generations } = first.outputs;
        assert.equal(generations.management.current, lastingTokens["consul-management"]);
        const rotated = [...consulRoles, ...nodes.map((node) => `agents.${node}`)];
        const secretOutputs = [
            ...Object.keys(identities).map((name) => `identities.${name}.keyPem`),
            ...Object.keys(gossip).map((name) => `gossip.${name}`),
            ...Object.keys(lastingTokens).map((name) => `lastingTokens.${name}`),
            ...Object.keys(current).map((name) => `tokens.${name}`),
            "generations.management.current",
            ...rotated.flatMap((name) => [`generations.${name}.current`, `generations.${name}.next`]),
        ];
        assert.deepEqual(first.secretOutputs, secretOutputs.sort());
        const keys = Object.values(identities).map(({ keyPem }) => keyPem);
        const tokens = [...Object.values(lastingTokens), ...allGenerations(first.outputs).values()].flat();
        // The last line of a private key holds its public key alone.
        const shown = [...first.resources.values()].flatMap(publicTexts);
        const needles = [...first.secrets, ...keys, ...tokens, ...Object.values(gossip)]
            .flatMap(spellings)
            .filter((needle) => !shown.some((text) => text.includes(needle)));
        for (const secret of [...keys, ...tokens, ...Object.values(gossip)]) {
            assert.ok(
                needles.some((needle) => secret.includes(needle)),
                "each is looked for",
            );
        }
        const stored = await stack.stored();
        for (const [place, text] of Object.entries({ state: stored, "what up says": first.said })) {
            const found = needles.filter((needle) => text.includes(needle));
            assert.deepEqual(found, [], `${place} has secrets in plain text`);
        }
        assert.ok(stored.includes(first.outputs.caPem.split("\n")[1]!), "certificates are public");
    });

    it("have the form that Consul and Nomad take", () => {
        const { gossip, lastingTokens } = first.outputs;
        for (const key of Object.values(gossip)) {
            assert.equal(Buffer.from(key, "base64").toString("base64"), key);
            assert.equal(Buffer.from(key, "base64").length, 32);
        }
        const tokens = [...Object.values(lastingTokens), ...allGenerations(first.outputs).values()].flat();
        assert.equal(tokens.length, 2 + 2 * rotatedRoles.length);
        for (const token of tokens) {
            assert.match(token, uuid4);
        }
        const all = [...tokens, ...Object.values(gossip)];
        assert.equal(new Set(all).size, all.length, "no two are the same");
    });

    it("change only when something is changed", () => stack.previewsNothing({ nodes }));

    it("are certificates for these names and uses, as long as asked", () => {
        const { caPem, identities, expires } = first.outputs;
        const ca = new X509Certificate(caPem);
        assert.equal(ca.subject, "CN=Gatehouse Consul CA G1");
        assert.ok(ca.ca && ca.verify(ca.publicKey));
        assert.equal(validity(ca), 3650 * day);
        assert.equal(first.outputs.bundlePem, caPem, "one generation is trusted by default");

        const leaf = new X509Certificate(identities["server-1"]!.certPem);
        assert.ok(!leaf.ca && leaf.checkIssued(ca) && leaf.verify(ca.publicKey));
        assert.equal(leaf.subject, "CN=server-1.server.dc1.consul");
        assert.equal(
            leaf.subjectAltName,
            "DNS:server.dc1.consul, DNS:server-1.server.dc1.consul, DNS:localhost, IP Address:127.0.0.1",
        );
        const uses = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" };
        assert.deepEqual(leaf.keyUsage, [uses.server, uses.client]);
        assert.deepEqual(new X509Certificate(identities["operator"]!.certPem).keyUsage, [uses.client]);
        assert.deepEqual(leaf.publicKey.asymmetricKeyDetails, { namedCurve: "prime256v1" });
        assert.equal(validity(leaf), 365 * day);
        const end = Date.parse(new X509Certificate(identities["operator"]!.certPem).validTo);
        assert.equal(Math.floor(Date.parse(expires) / 1000) * 1000, end);
    });

    it("let nodes believe each other, and nobody else", async () => {
        const { identities } = first.outputs;
        const [server, client, endpoint, operator, stranger] = [
            "server-1",
            "client-1",
            "endpoint",
            "operator",
            "stranger",
        ].map((name) => identities[name]!) as [Identity, Identity, Identity, Identity, Identity];
        assert.equal(await handshake(server, client), "hello client-1.server.dc1.consul");
        assert.equal(await handshake(client, server), "hello server-1.server.dc1.consul");
        assert.equal(await handshake(endpoint, operator), "hello operator");

        const { bundlePem } = server;
        await assert.rejects(handshake(server, { bundlePem }), /the server says: .*ISSUER/);
        await assert.rejects(
            handshake(server, { ...stranger, bundlePem }),
            /the server says: .*(ISSUER|VERIFY)/,
        );
        await assert.rejects(handshake({ ...stranger, bundlePem }, client), /the client says: unable to/);
        await assert.rejects(handshake(server, client, "server.dc2.consul"), /does not match/);
        await assert.rejects(handshake(operator, client), /the client says: .*purpose/);
        await assert.rejects(handshake(server, endpoint), /the server says: .*PURPOSE/);
    });

    it("are added for a node alone, and removed with it", async () => {
        const more = await stack.up({ nodes: [...nodes, "client-2"] });
        const agent = [1, 2].map((generation) => tokenOf(generation, "agent-client-2"));
        const own = [...leafOf("consul-ca-client-2"), ...agent];
        assert.deepEqual(changesBetween(first, more), own.sort());
        const fewer = await stack.up({ nodes });
        assert.deepEqual(changesBetween(first, fewer), []);
    });

    it("are rotated where asked: leaves and not their CA, tokens and not the management's", async () => {
        const settings = { nodes, rotation: 2, tokenRotation: 2, gossipRotation: 2 };
        const rotated = await stack.up(settings);
        assert.deepEqual(
            changesBetween(first, rotated),
            [
                ...[...ownLeaves, strangers].flatMap(leafOf),
                ...rotatedRoles.flatMap((role) => [tokenOf(1, role), tokenOf(3, role)]),
                bytes("consul-gossip"),
                bytes("consul-gossip-generation-2"),
            ].sort(),
        );
        // What Consul knows already is what is used from now on.
        const [oldTokens, newTokens] = [allGenerations(first.outputs), allGenerations(rotated.outputs)];
        assert.deepEqual([...newTokens.keys()], [...oldTokens.keys()]);
        for (const [role, [current, next]] of newTokens) {
            assert.equal(current, oldTokens.get(role)?.[1], role);
            assert.equal(current, rotated.outputs.tokens[role], role);
            assert.ok(!oldTokens.get(role)?.includes(next), role);
        }
        const both = [first, rotated].map(({ outputs }) => outputs.identities["server-1"]!);
        const [old, now] = both as [Identity, Identity];
        assert.notEqual(publicKey(old), publicKey(now));
        await handshake(old, now);
        await handshake(now, old);
        await stack.previewsNothing(settings);
    });

    it("roll to another key of the CA in steps, in each of which all nodes believe each other", async () => {
        const steps = [
            { generation: 1 },
            { generation: 1, alsoTrusted: [2] },
            { generation: 2, alsoTrusted: [1] },
            { generation: 2 },
        ];
        const expected = [
            generationOf("consul-ca", 2),
            // The keys of the leaves stay.
            ownLeaves.map(certificateOf),
            generationOf("consul-ca", 1),
        ];
        const snapshots: Snapshot<SecurityOutputs>[] = [];
        for (const ca of steps) {
            snapshots.push(await stack.up({ nodes, ca }));
        }
        const node = (step: number) => snapshots[step]!.outputs.identities["server-1"]!;
        for (const [step, changes] of expected.entries()) {
            assert.deepEqual(changesBetween(snapshots[step]!, snapshots[step + 1]!), changes.sort());
            await handshake(node(step), node(step + 1));
            await handshake(node(step + 1), node(step));
        }
        // Why there are steps: without those between, old and new refuse each other.
        await assert.rejects(handshake(node(3), node(0)), /the client says: self-signed certificate/);
        const trusted = snapshots.map(({ outputs }) => outputs.bundlePem.match(/BEGIN/g)?.length);
        assert.deepEqual(trusted, [1, 2, 2, 1]);
        assert.match(new X509Certificate(node(3).certPem).issuer, /CN=Gatehouse Consul CA G2/);
    });

    it("are renewed by the next up when they are about to expire, with the same key", async () => {
        const before = await stack.up({ nodes });
        await endsIn(29 * day, certificateOf("consul-ca-server-1"));
        await endsIn(31 * day, certificateOf("consul-ca-client-1"));
        const renewed = await stack.up({ nodes });
        const due = certificateOf("consul-ca-server-1");
        assert.deepEqual(changesOf(before, renewed, "certPem"), [due], "the window is 30 days");
        const end = Date.parse(String(renewed.resources.get(due)?.outputs["validityEndTime"]));
        assert.ok(end - Date.now() > 364 * day, new Date(end).toISOString());

        await endsIn(364 * day, ...generationOf("consul-ca", 1));
        const anew = await stack.up({ nodes });
        assert.deepEqual(
            changesOf(renewed, anew, "certPem"),
            [...generationOf("consul-ca", 1).slice(1), ...ownLeaves.map(certificateOf)].sort(),
            "a CA is renewed in the last tenth of its time",
        );
        assert.deepEqual(changesOf(before, anew, "privateKeyPem"), []);
        const [old, now] = [renewed, anew].map(({ outputs }) => outputs.identities["server-1"]!);
        await handshake(old!, now!);
        await handshake(now!, old!);
    });

    /** As if time had passed: the state says that these certificates end so many milliseconds from now. */
    async function endsIn(time: number, ...resources: string[]): Promise<void> {
        const end = new Date(Date.now() + time).toISOString();
        await stack.alter(({ urn, outputs }) => {
            const own = resources.some((each) => urn.endsWith(each.replace(" ", "::")));
            if (own && "validityEndTime" in outputs) {
                outputs["validityEndTime"] = end;
            }
        });
    }
});

/** Each rotated token's secret id and its next, by role. */
function allGenerations({ generations }: SecurityOutputs): Map<string, [string, string]> {
    const byRole = consulRoles.map((role) => [role, generations[role]] as const);
    const byNode = Object.entries(generations.agents).map(
        ([node, token]) => [`agent-${node}`, token] as const,
    );
    return new Map([...byRole, ...byNode].map(([role, { current, next }]) => [role, [current, next]]));
}

function validity(certificate: X509Certificate): number {
    return Date.parse(certificate.validTo) - Date.parse(certificate.validFrom);
}

function publicKey({ certPem }: Identity): string {
    return new X509Certificate(certPem).publicKey.export({ type: "spki", format: "pem" }).toString();
}

/** What a key or a certificate shows to everybody. */
function publicTexts({ outputs }: Deployed): string[] {
    const names = ["publicKeyPem", "publicKeyOpenssh", "certPem", "certRequestPem"];
    return names.flatMap((name) => (name in outputs ? [String(outputs[name])] : []));
}

/** The resources of which one output is another. */
function changesOf(before: Snapshot<unknown>, after: Snapshot<unknown>, output: string): string[] {
    return changesBetween(before, after).filter(
        (name) => before.resources.get(name)?.outputs[output] !== after.resources.get(name)?.outputs[output],
    );
}

/** A secret as it may stand in a text: a PEM's lines one by one, a UUID without its hyphens as well. */
function spellings(secret: string): string[] {
    const lines = secret.split("\n").filter((line) => line !== "" && !line.startsWith("-----"));
    return lines.flatMap((line) => (uuid4.test(line) ? [line, line.replaceAll("-", "")] : [line]));
}

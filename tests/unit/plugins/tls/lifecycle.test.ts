import assert from "node:assert/strict";

import { plain, Secret, UNKNOWN } from "../../../support/provider-harness";
import { Pki, types, type Identity, type Made } from "./pki";

import type { Values } from "../../../../plugins/lib";

describe("the tls plugin's certificates in a stack", () => {
    let pki: Pki;
    let ca: Identity;
    let leaf: Identity;
    let request: Made;
    before(async () => {
        pki = await Pki.start();
        ca = await pki.authority(await pki.key({ algorithm: "ECDSA", ecdsaCurve: "P256" }));
        leaf = await pki.sign(ca, await pki.key(), { dnsNames: ["leaf.lab"] });
        request = await pki.make(types.request, {
            privateKeyPem: new Secret(leaf.key),
            subject: { commonName: "leaf" },
            dnsNames: ["leaf.lab"],
        });
    });
    after(() => pki?.close());

    /** What the engine is told of a change of the program. */
    async function diff(type: string, made: Made, change: Values, state: Values = {}) {
        const args = { ...made.inputs, ...change };
        const given = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined));
        const { inputs, failures } = await pki.provider.check(type, given, made.inputs);
        assert.deepEqual(failures, []);
        const olds = { ...made.state, ...state };
        return { inputs, olds, ...(await pki.provider.diff(type, made.id, olds, made.inputs, inputs)) };
    }

    it("are replaced by what their contents depend on", async () => {
        const key = new Secret(await pki.key());
        const other = await pki.authority(await pki.key());
        const common = { allowedUses: ["any_extended"], validityPeriodHours: 25, isCaCertificate: true };
        const named = {
            dnsNames: ["a.lab", "b.lab"],
            ipAddresses: ["127.0.0.1"],
            uris: ["spiffe://a/b"],
            subject: { commonName: "another" },
            privateKeyPem: key,
        };
        const ids = { setSubjectKeyId: true, maxPathLength: 3 };
        const table: [string, Made, Values][] = [
            [types.selfSigned, ca.made, { ...common, ...named, ...ids, isCaCertificate: false }],
            [types.selfSigned, ca.made, { setAuthorityKeyId: true }],
            [types.request, request, named],
            [
                types.locallySigned,
                leaf.made,
                {
                    ...common,
                    ...ids,
                    isCaCertificate: false,
                    caCertPem: other.cert,
                    caPrivateKeyPem: new Secret(other.key),
                    certRequestPem: request.outputs.certRequestPem,
                },
            ],
            [
                types.locallySigned,
                leaf.made,
                { isCaCertificate: true, certRequestPem: request.outputs.certRequestPem },
            ],
        ];
        for (const [type, made, changes] of table) {
            const all = await diff(type, made, changes);
            const changed = Object.entries(changes).filter(
                ([name, value]) =>
                    JSON.stringify(plain({ value })) !== JSON.stringify(plain({ value: made.inputs[name] })),
            );
            assert.ok(changed.length > 0);
            assert.deepEqual([...all.replaces].sort(), changed.map(([name]) => name).sort(), type);
            assert.equal(all.deleteBeforeReplace, false);
        }
        assert.deepEqual((await diff(types.request, request, { dnsNames: ["leaf.lab", "b.lab"] })).paths, {
            "dnsNames[1]": "ADD_REPLACE",
        });
    });

    it("stay when nothing changes, or what only counts for later", async () => {
        for (const [type, made] of [
            [types.selfSigned, ca.made],
            [types.request, request],
            [types.locallySigned, leaf.made],
        ] as const) {
            assert.equal((await diff(type, made, {})).changed, false, type);
            const read = await pki.provider.read(type, made.id, made.state, made.inputs);
            assert.deepEqual(read, { id: made.id, outputs: made.state, inputs: made.inputs });
        }
        const limited = await pki.authority(ca.key, { maxPathLength: 1 });
        const unlimited = await diff(types.selfSigned, limited.made, { maxPathLength: undefined });
        assert.equal(unlimited.changed, false, "a path length that is left out later stays");

        const { paths, inputs } = await diff(types.locallySigned, leaf.made, { earlyRenewalHours: 3 });
        assert.deepEqual(paths, { earlyRenewalHours: "UPDATE" });
        for (const preview of [true, false]) {
            const { id, state, inputs: old } = leaf.made;
            const updated = await pki.provider.update(types.locallySigned, id, state, old, inputs, {
                preview,
            });
            assert.deepEqual(plain(updated), { ...leaf.made.outputs, earlyRenewalHours: 3 });
        }
    });

    it("are replaced in time for their renewal", async () => {
        for (const [type, made] of [
            [types.selfSigned, ca.made],
            [types.locallySigned, leaf.made],
        ] as const) {
            const hours = made.inputs.validityPeriodHours as number;
            const due = { earlyRenewalHours: "UPDATE", readyForRenewal: "UPDATE_REPLACE" };
            const now = await diff(type, made, { earlyRenewalHours: hours });
            assert.deepEqual(now.paths, due, "longer before the end than it is");
            assert.deepEqual((await diff(type, made, { earlyRenewalHours: hours - 1 })).replaces, []);

            const soon = new Date(Date.now() + 2 * 3_600_000 - 1000).toISOString();
            const early = { ...made, inputs: { ...made.inputs, earlyRenewalHours: 2 } };
            const state = { ...made.state, earlyRenewalHours: 2, validityEndTime: soon };
            const nothing = await diff(type, early, {}, state);
            assert.deepEqual(
                nothing.paths,
                { readyForRenewal: "UPDATE_REPLACE" },
                "the program is as it was",
            );
            assert.deepEqual(nothing.replaces, ["readyForRenewal"]);

            const read = await pki.provider.read(type, made.id, state, early.inputs);
            assert.equal(read?.outputs.readyForRenewal, true, "refresh says so");
            assert.equal(read.outputs.certPem, made.outputs.certPem);
            assert.deepEqual(read.inputs, early.inputs, "what the program says is what it was");
            assert.deepEqual((await diff(type, early, {}, read.outputs)).replaces, ["readyForRenewal"]);

            const later = await diff(type, early, { earlyRenewalHours: 1 }, read.outputs);
            assert.deepEqual(later.paths, { earlyRenewalHours: "UPDATE", readyForRenewal: "UPDATE" });
            const updated = await pki.provider.update(type, made.id, later.olds, early.inputs, later.inputs);
            assert.equal(updated.readyForRenewal, false, "no longer due");
        }
        const expired = await pki.authority(ca.key, { validityPeriodHours: 0 });
        assert.equal(expired.made.outputs.readyForRenewal, true);
        assert.deepEqual((await diff(types.selfSigned, expired.made, {})).replaces, ["readyForRenewal"]);
        const always = await pki.authority(ca.key, { validityPeriodHours: 5, earlyRenewalHours: 5 });
        assert.equal(always.made.outputs.readyForRenewal, true);
    });

    it("are planned with what is not known yet", async () => {
        const args = {
            caCertPem: UNKNOWN,
            caPrivateKeyPem: UNKNOWN,
            certRequestPem: UNKNOWN,
            allowedUses: ["server_auth", UNKNOWN],
            validityPeriodHours: 12,
        };
        const { inputs, failures } = await pki.provider.check(types.locallySigned, args);
        assert.deepEqual(failures, []);
        const { id, outputs } = await pki.provider.create(types.locallySigned, inputs, { preview: true });
        assert.equal(id, "");
        for (const name of ["certPem", "validityStartTime", "validityEndTime", "caKeyAlgorithm"]) {
            assert.equal(outputs[name], UNKNOWN, name);
        }
        assert.equal(outputs.readyForRenewal, false);
        assert.ok(outputs.caPrivateKeyPem instanceof Secret);
        const unknownHours = { ...inputs, validityPeriodHours: UNKNOWN };
        const planned = await pki.provider.create(types.locallySigned, unknownHours, { preview: true });
        assert.equal(planned.outputs.readyForRenewal, UNKNOWN);

        for (const [type, subject] of [
            [types.request, { commonName: UNKNOWN }],
            [types.selfSigned, UNKNOWN],
        ] as const) {
            const self = type === types.selfSigned && { ...args, isCaCertificate: true };
            const checked = await pki.provider.check(type, {
                ...(self && { allowedUses: [], validityPeriodHours: UNKNOWN, isCaCertificate: true }),
                privateKeyPem: UNKNOWN,
                subject,
                dnsNames: [UNKNOWN],
            });
            assert.deepEqual(checked.failures, []);
            const request = await pki.provider.create(type, checked.inputs, { preview: true });
            assert.equal(request.outputs.keyAlgorithm, UNKNOWN);
        }

        // A key that is replaced in the same run: the certificate will be, too.
        const next = await diff(types.selfSigned, ca.made, { privateKeyPem: UNKNOWN });
        assert.deepEqual(next.replaces, ["privateKeyPem"]);
        const hours = await diff(types.selfSigned, ca.made, { earlyRenewalHours: UNKNOWN });
        assert.deepEqual(hours.paths, { earlyRenewalHours: "UPDATE" });
        const { id: caId, state, inputs: old } = ca.made;
        const update = { preview: true };
        const changed = await pki.provider.update(types.selfSigned, caId, state, old, hours.inputs, update);
        assert.equal(changed.readyForRenewal, UNKNOWN);
    });

    it("keep keys secret, given as secrets or not, and out of every message", async () => {
        const { state } = ca.made;
        assert.ok(state.privateKeyPem instanceof Secret);
        assert.equal(typeof state.certPem, "string", "a certificate is public");
        const plainKey = await pki.make(types.request, { privateKeyPem: leaf.key });
        assert.ok(plainKey.state.privateKeyPem instanceof Secret);
        assert.ok(leaf.made.state.caPrivateKeyPem instanceof Secret);
        const secretLine = leaf.key.split("\n")[1]!;
        const broken = leaf.key.replace("-----END PRIVATE KEY-----", "");
        const refused = await pki.refusals(types.request, { privateKeyPem: broken });
        assert.ok(!JSON.stringify(refused).includes(secretLine));
        assert.ok(!JSON.stringify(pki.provider.logs).includes(secretLine));
    });

    it("warn when what signs is no CA", async () => {
        const server = await pki.authority(ca.key, { isCaCertificate: false });
        const before = pki.provider.logs.length;
        await pki.sign(server, leaf.key, { dnsNames: ["x.lab"] });
        assert.match(
            pki.provider.logs
                .slice(before)
                .map(({ message }) => message)
                .join(),
            /not the certificate of a CA/,
        );
    });
});

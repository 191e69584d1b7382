import * as assert from "node:assert/strict";

import { type AuthorityGenerations, authorityStep } from "../../components/security/ca-rotation";
import { parseConfig } from "../../config";
import { nextRotations, rotationProblems, type Rotations } from "../../labs/rotations";

function settings(changes: Record<string, unknown> = {}) {
    const raw = Object.entries({ lab: "routed", ...changes });
    const config = parseConfig(
        Object.fromEntries(
            raw.map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
        ),
    );
    assert.ok(config.lab === "routed");
    return config;
}

const certificates = (caRotation: number) => settings({ certificates: { caRotation } });

/** What a complete update with these settings leaves. */
function after(last: Rotations | null | undefined, changes: Record<string, unknown> = {}): Rotations {
    return nextRotations(last, settings(changes)).rotations;
}

describe("rotations of a routed cluster", () => {
    describe("of the CAs", () => {
        const at = (signing: number, ...others: number[]): AuthorityGenerations => ({
            signing,
            trusted: [signing, ...others],
        });
        const table: {
            last?: AuthorityGenerations;
            wanted: number;
            next: AuthorityGenerations;
            said?: RegExp;
        }[] = [
            { wanted: 1, next: at(1) },
            { wanted: 4, next: at(4) },
            { last: at(1), wanted: 1, next: at(1) },
            {
                last: at(1),
                wanted: 2,
                next: at(1, 2),
                said: /^Rotation of the CAs, step 1 of 3: .*another up is step 2/,
            },
            { last: at(1, 2), wanted: 2, next: at(2, 1), said: /step 2 of 3: .*another up is step 3/ },
            { last: at(2, 1), wanted: 2, next: at(2), said: /step 3 of 3: generation 1 is believed no more/ },
            { last: at(2), wanted: 2, next: at(2) },
            // The number itself means nothing.
            { last: at(2), wanted: 7, next: at(2, 7), said: /step 1 of 3/ },
        ];
        for (const { last, wanted, next, said } of table) {
            it(`go from ${last ? last.trusted.join("+") : "nothing"} to ${wanted} by ${next.trusted.join("+")}`, () => {
                const { said: words, ...found } = authorityStep(last, wanted);
                assert.deepEqual(found, next);
                if (said) {
                    assert.match(words ?? "", said);
                } else {
                    assert.equal(words, undefined);
                }
            });
        }

        it("let each node believe what any other shows, whatever was interrupted", () => {
            // An update that breaks off leaves nodes on the state before and on its own.
            let last: AuthorityGenerations | undefined = at(1);
            for (const wanted of [2, 2, 2, 3, 3, 3, 3]) {
                const next: AuthorityGenerations = authorityStep(last, wanted);
                assert.ok(last.trusted.includes(next.signing) && next.trusted.includes(last.signing));
                last = next;
            }
            assert.deepEqual(last, { signing: 3, trusted: [3] });
        });

        it("are finished before they go elsewhere, and never go back", () => {
            const half = { ...after(undefined), authorities: at(1, 2) };
            const almost = { ...half, authorities: at(2, 1) };
            const done = { ...half, authorities: at(2) };
            const messages = (last: Rotations, wanted: number) =>
                rotationProblems(last, certificates(wanted)).map(
                    ({ path, message }) => `${path}: ${message}`,
                );
            assert.match(
                messages(half, 1).join(),
                /^certificates\.caRotation: .*set it to 2 until .*two more ups$/,
            );
            assert.match(
                messages(half, 3).join(),
                /set it to 2 until that is complete, which takes two more ups$/,
            );
            assert.match(
                messages(almost, 1).join(),
                /set it to 2 until that is complete, which takes one more up$/,
            );
            assert.match(
                messages(done, 1).join(),
                /the CAs of generation 2 sign already; set it to 2, or raise it$/,
            );
            for (const last of [half, almost, done]) {
                assert.deepEqual(messages(last, 2), []);
            }
            assert.deepEqual(messages(done, 3), []);
        });

        it("begin with the setting in a new cluster, and with 1 in one of an earlier version", () => {
            const changes = { certificates: { caRotation: 2 } };
            assert.deepEqual(after(undefined, changes).authorities, at(2));
            assert.deepEqual(after(null, changes).authorities, at(1, 2));
        });
    });

    describe("of the tokens", () => {
        const refused = (last: Rotations | null | undefined, changes: Record<string, unknown>) =>
            rotationProblems(last, settings(changes))
                .map(({ path, message }) => `${path}: ${message}`)
                .join("\n");
        const third = after(undefined, { tokens: { rotation: 3 } });

        it("go up by one", () => {
            assert.equal(third.tokens, 3);
            for (const rotation of [3, 4]) {
                assert.equal(refused(third, { tokens: { rotation } }), "");
            }
            assert.match(
                refused(third, { tokens: { rotation: 5 } }),
                /^tokens\.rotation: is 5, .*one by one.*4 first$/,
            );
            assert.match(refused(third, { tokens: { rotation: 2 } }), /set it to 3, or to 4 for new ones$/);
            assert.match(refused(null, { tokens: { rotation: 3 } }), /2 first$/);
            assert.equal(refused(undefined, { tokens: { rotation: 9 } }), "");
        });

        it("wait for nodes that go, which need their old ones", () => {
            const fewer = { pools: { default: { count: 1 } } };
            assert.match(
                refused(third, { ...fewer, tokens: { rotation: 4 } }),
                /^tokens\.rotation: is raised while client-2 is to be removed, .*first an up without it \(3\)/,
            );
            assert.equal(refused(third, { ...fewer, tokens: { rotation: 3 } }), "");
            assert.equal(refused(third, { pools: { default: { count: 3 } }, tokens: { rotation: 4 } }), "");
        });
    });
});

import * as assert from "node:assert/strict";

import { parseConfig } from "../../config";
import { unsafeChanges } from "../../labs/cluster-changes";
import { summariseStore } from "../../labs/etcd-changes";

const configOf = (settings: Record<string, unknown>) =>
    parseConfig(
        Object.fromEntries(
            Object.entries({ lab: "etcd", ...settings }).map(([key, value]) => [
                key,
                typeof value === "string" ? value : JSON.stringify(value),
            ]),
        ),
    );

const refusals = (next: Record<string, unknown>, stack = "etcd"): Record<string, string> => {
    const before = configOf({});
    assert.ok(before.lab === "etcd");
    const problems = unsafeChanges(summariseStore(before, "etcd"), configOf(next), stack);
    return Object.fromEntries(problems.map(({ path, message }) => [path, message]));
};

describe("changes of an etcd cluster", () => {
    it("refuse another network or name, with what would come of it", () => {
        const { "network.subnet": subnet } = refusals({ network: { subnet: "10.9.0.0/24" } });
        assert.match(
            subnet!,
            /^10\.9\.0\.0\/24, but the machines are in 10\.225\.0\.0\/24, .*make down STACK=etcd/,
        );
        assert.match(refusals({}, "renamed")["network"]!, /pulumi stack rename etcd\b/);
    });

    it("refuse another lab in its place, and it in another's", () => {
        assert.match(refusals({ lab: "template" })["lab"]!, /^template, but the stack is the lab etcd: /);
        const [problem] = unsafeChanges({ servers: ["server-1"] }, configOf({}), "routed");
        assert.match(problem!.message, /^etcd, but the stack is the lab routed: /);
    });

    it("refuse passwords that etcd does not know when the machines come with them", () => {
        const to = (rotation: number) => refusals({ passwords: { rotation } })["passwords.rotation"];
        assert.equal(to(2), undefined);
        assert.match(to(3)!, /generation 1 are in use, .*one by one, each with an up, 2 first$/);
        const before = configOf({ passwords: { rotation: 4 } });
        assert.ok(before.lab === "etcd");
        const [problem] = unsafeChanges(summariseStore(before, "etcd"), configOf({}), "etcd");
        assert.match(
            problem!.message,
            /^1, but passwords of generation 4 .*set it to 4, or to 5 for new ones$/,
        );
        // An earlier version of the lab did not say.
        assert.deepEqual(unsafeChanges({ lab: "etcd" }, configOf({}), "etcd"), []);
    });

    it("allow everything else, fewer members as well: they leave one by one", () => {
        assert.deepEqual(
            refusals({ members: { count: 1 }, webapp: { count: 1 }, certificates: { rotation: 2 } }),
            {},
        );
    });
});

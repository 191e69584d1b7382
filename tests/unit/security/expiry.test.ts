import * as assert from "node:assert/strict";

import { firstToEnd, overdue } from "../../../components/security/expiry";

const validity = (name: string, expires: string, earlyRenewalHours: number) => ({
    name,
    expires,
    earlyRenewalHours,
});

describe("the end of certificates", () => {
    it("is that of the one that ends first, whatever the time zones, and from when it is renewed", () => {
        const first = firstToEnd([
            validity("ca", "2036-11-18T12:00:00Z", 8760),
            validity("server-1", "2027-11-21T12:00:00+02:00", 720),
            validity("client-1", "2027-11-21T11:00:00Z", 720),
        ]);
        assert.deepEqual(first, {
            name: "server-1",
            expires: "2027-11-21T12:00:00+02:00",
            renewedFrom: "2027-10-22T10:00:00.000Z",
        });
        assert.throws(() => firstToEnd([]), /no certificate/);
    });

    const table: [now: string, said: RegExp | undefined][] = [
        ["2027-10-22T09:59:59Z", undefined],
        [
            "2027-10-22T10:00:00Z",
            /^the certificate server-1 ends on 2027-11-21T10:00:00Z, and this update does not renew it: .*make up/,
        ],
        ["2027-11-21T09:59:59Z", / ends on /],
        ["2027-11-21T10:00:00Z", / has ended on /],
    ];
    for (const [now, said] of table) {
        it(`${said ? "is warned of" : "is nobody's business"} at ${now}`, () => {
            const warning = overdue(validity("server-1", "2027-11-21T10:00:00Z", 720), new Date(now));
            assert.equal(warning === undefined, said === undefined, warning);
            assert.match(warning ?? "", said ?? /^$/);
        });
    }
});

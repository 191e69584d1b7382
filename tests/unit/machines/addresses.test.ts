import * as assert from "node:assert/strict";

import * as fc from "fast-check";

import {
    AddressBook,
    gatewayOffset,
    hostOffset,
    registryOffset,
} from "../../../components/machines/addresses";

const numbered = fc.oneof(
    ...Object.entries({ server: 9, client: 79, web: 9, backend: 9, etcd: 9, app: 19, balancer: 9 }).map(
        ([group, size]) =>
            fc
                .tuple(fc.integer({ min: 1, max: size }), fc.constantFrom("", "-"))
                .map(([number, dash]) => `${group}${dash}${number}`),
    ),
);
const other = fc.stringMatching(/^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/);

describe("machines' addresses", () => {
    it("are easy to remember", () => {
        const book = new AddressBook("10.213.0.0/24");
        assert.equal(book.addressOf("server-1"), "10.213.0.11");
        assert.equal(book.addressOf("server-3"), "10.213.0.13");
        assert.equal(book.addressOf("client-12"), "10.213.0.32");
        assert.equal(book.addressOf("web1"), "10.213.0.101");
        assert.equal(book.at(registryOffset), "10.213.0.2");
        assert.equal(new AddressBook("172.30.5.9/16").addressOf("server-1"), "172.30.0.11");
    });

    it("depend on the name alone, and never on the other machines", () => {
        fc.assert(
            fc.property(fc.uniqueArray(numbered, { maxLength: 30 }), fc.nat(), (names, seed) => {
                const alone = names.map((name) => new AddressBook("10.0.0.0/24").addressOf(name));
                const book = new AddressBook("10.0.0.0/24");
                const start = names.length > 0 ? seed % names.length : 0;
                const order = [...names.slice(start), ...names.slice(0, start)];
                const together = new Map<string, string>();
                for (const name of order) {
                    // web1 and web-1 are one machine's name in two spellings: refused, not confused.
                    try {
                        together.set(name, book.addressOf(name));
                    } catch (error) {
                        assert.match((error as Error).message, /would share the address/);
                    }
                }
                names.forEach((name, index) => {
                    assert.equal(together.get(name) ?? alone[index], alone[index]);
                });
            }),
        );
    });

    it("are never shared, whatever the names", () => {
        fc.assert(
            fc.property(fc.uniqueArray(fc.oneof(numbered, other), { maxLength: 60 }), (names) => {
                const book = new AddressBook("10.0.0.0/24");
                const owners = new Map<string, string>();
                for (const name of names) {
                    let address: string;
                    try {
                        address = book.addressOf(name);
                    } catch (error) {
                        assert.match((error as Error).message, /would share the address|are numbered 1 to/);
                        continue;
                    }
                    assert.equal(owners.get(address), undefined, `${name} and ${owners.get(address)}`);
                    owners.set(address, name);
                    assert.equal(book.addressOf(name), address);
                }
            }),
        );
    });

    it("keep clear of the network's own, and groups of each other and of other names", () => {
        fc.assert(
            fc.property(other, (name) => {
                fc.pre(!/^(server|client|web|backend|etcd|app|balancer)-?[1-9]\d*$/.test(name));
                const offset = hostOffset(name);
                assert.ok(offset >= 160 && offset <= 249, `${name}: ${offset}`);
            }),
        );
        fc.assert(
            fc.property(numbered, numbered, (a, b) => {
                assert.ok(hostOffset(a) > Math.max(gatewayOffset, registryOffset) && hostOffset(a) < 160);
                const same = a.replace("-", "") === b.replace("-", "");
                assert.equal(hostOffset(a) === hostOffset(b), same, `${a} and ${b}`);
            }),
        );
    });

    it("are refused with the way out", () => {
        assert.throws(() => hostOffset("Server_1"), /"Server_1": must be lower-case letters/);
        assert.throws(() => hostOffset("server-10"), /machines called server are numbered 1 to 9/);
        assert.throws(() => new AddressBook("10.0.0.0/25"), /use \/24 or larger/);
        const book = new AddressBook("10.0.0.0/24");
        book.addressOf("web1");
        assert.throws(
            () => book.addressOf("web-1"),
            /"web1" and "web-1" would share the address 10\.0\.0\.101/,
        );
    });
});

import * as assert from "node:assert/strict";
import * as http from "node:http";
import type { AddressInfo } from "node:net";

import { isAmong, ownNetwork } from "../../../../components/machines/linode/own-address";

describe("the address that a program is seen with", () => {
    let answer: (response: http.ServerResponse) => void;
    const server = http.createServer((_request, response) => answer(response));
    let url: string;
    before(async () => {
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    after(() => void server.close());

    const answering = (status: number, text: string) => {
        answer = (response) => void response.writeHead(status).end(text);
    };

    it("is a network of one", async () => {
        answering(200, "203.0.113.7\n");
        assert.equal(await ownNetwork(url), "203.0.113.7/32");
    });

    it("is refused where it is none, or of the other family", async () => {
        answering(200, "<html>Please log in to this network</html>");
        await assert.rejects(ownNetwork(url), /does not answer with an IPv4 address.*<html>/);
        answering(200, "2001:db8::7");
        await assert.rejects(ownNetwork(url), /IPv4 address, by which machines are reached/);
        answering(503, "busy");
        await assert.rejects(ownNetwork(url), /cannot be asked.*it answers 503/);
    });

    it("says why nobody could be asked", async () => {
        const closed = http.createServer();
        await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
        const { port } = closed.address() as AddressInfo;
        await new Promise((resolve) => closed.close(resolve));
        await assert.rejects(
            ownNetwork(`http://127.0.0.1:${port}`),
            /127\.0\.0\.1:\d+ cannot be asked.*ECONNREFUSED/,
        );
    });

    it("is known to be in a network or not", () => {
        assert.ok(isAmong("203.0.113.7", ["198.51.100.0/24", "203.0.113.0/28"]));
        assert.ok(isAmong("203.0.113.7", ["2001:db8::/48", "203.0.113.7/32"]));
        assert.ok(!isAmong("203.0.113.7", ["2001:db8::/48"]));
        assert.ok(!isAmong("203.0.113.17", ["203.0.113.0/28"]));
        assert.ok(!isAmong("203.0.113.7", []));
    });
});

import * as assert from "node:assert/strict";

import { createHello } from "../../../images/hello/server";
import type { GracefulServer } from "../../../images/common/graceful";
import { get } from "./http";

describe("the hello application", () => {
    let hello: GracefulServer;
    let url: string;

    beforeEach(async () => {
        hello = createHello({
            name: "demo",
            instance: "0123abcd",
            node: "client-1",
            nodeAddress: "10.0.0.5",
            port: 23456,
            drainDelayMs: 0,
        });
        url = `http://127.0.0.1:${await hello.listen(0, "127.0.0.1")}`;
    });
    afterEach(() => hello.drain());

    it("says which instance answers, where, and what it was asked", async () => {
        const { status, headers, body } = await get(`${url}/?q=1`, {
            headers: { "X-Forwarded-For": "192.0.2.7" },
        });
        assert.equal(status, 200);
        assert.match(String(headers["content-type"]), /^text\/plain/);
        assert.equal(headers["x-instance"], "0123abcd");
        assert.equal(body.split("\n")[0], "Hello from demo");
        for (const line of [
            "0123abcd",
            "client-1 (10.0.0.5)",
            "23456",
            "GET /?q=1",
            "x-forwarded-for: 192.0.2.7",
        ]) {
            assert.ok(body.includes(line), `${line} is missing in:\n${body}`);
        }
    });

    it("answers in JSON when asked to", async () => {
        const { headers, body } = await get(url, { headers: { Accept: "application/json" } });
        assert.match(String(headers["content-type"]), /^application\/json/);
        const { request, ...rest } = JSON.parse(body) as { request: { headers: Record<string, string> } };
        assert.deepEqual(rest, {
            message: "Hello from demo",
            instance: "0123abcd",
            node: "client-1",
            address: "10.0.0.5",
            port: 23456,
        });
        assert.equal(request.headers.accept, "application/json");
    });

    it("gives no cookie unless told to, and then one to whoever has none", async () => {
        assert.equal((await get(url)).headers["set-cookie"], undefined);
        const keeper = createHello({
            ...{ name: "demo", instance: "1", node: "web-1", nodeAddress: "", port: 1, drainDelayMs: 0 },
            sessionCookie: "JSESSIONID",
        });
        try {
            const address = `http://127.0.0.1:${await keeper.listen(0, "127.0.0.1")}`;
            const { headers } = await get(address, { headers: { Cookie: "other=JSESSIONID=1" } });
            assert.match(String(headers["set-cookie"]), /^JSESSIONID=[0-9a-f-]{36}; Path=\/; HttpOnly/);
            const again = await get(address, { headers: { Cookie: "a=b; JSESSIONID=1" } });
            assert.equal(again.headers["set-cookie"], undefined);
        } finally {
            await keeper.drain();
        }
    });

    it("answers HEAD without a body, and refuses other paths and methods", async () => {
        const head = await get(url, { method: "HEAD" });
        assert.equal(head.status, 200);
        assert.equal(head.body, "");
        assert.equal((await get(`${url}/nowhere`)).status, 404);
        const post = await get(url, { method: "POST" });
        assert.equal(post.status, 405);
        assert.equal(post.headers.allow, "GET, HEAD");
    });

    it("is healthy", async () => {
        const { status, body } = await get(`${url}/health`);
        assert.deepEqual({ status, body }, { status: 200, body: "ok\n" });
    });
});

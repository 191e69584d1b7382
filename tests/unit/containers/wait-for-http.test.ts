import * as assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { join } from "node:path";

import { root, run, type CommandResult } from "../../support/command";

const program = join(root, "components/containers/files/wait-for-http.js");

async function waitFor(server: Server, seconds: string, text: string[] = []): Promise<CommandResult> {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    try {
        return await run(process.execPath, [program, `http://127.0.0.1:${port}/`, seconds, ...text]);
    } finally {
        server.close();
    }
}

const answering = (listener: RequestListener): Server => createServer(listener);

describe("waiting for an address to answer", () => {
    it("ends when it answers with 200 and the text", async () => {
        let asked = 0;
        const server = answering((_, response) => {
            asked += 1;
            response.writeHead(asked < 3 ? 503 : 200).end(asked < 5 ? "not yet" : "a leader is there");
        });
        const { code, output } = await waitFor(server, "20", ["leader"]);
        assert.equal(code, 0, output);
        assert.equal(asked, 5);
    });

    it("fails, and says what it saw last, when the answer never comes", async () => {
        const { code, output } = await waitFor(
            answering((_, response) => response.writeHead(503).end("No cluster leader")),
            "0.2",
        );
        assert.equal(code, 1);
        assert.match(
            output,
            /did not answer as expected within 0\.2 s; last seen: status 503: No cluster leader/,
        );
    });

    it("does not take a connection that ends at once for an answer", async () => {
        const { code, output } = await waitFor(
            createTcpServer((socket) => socket.destroy()),
            "0.2",
        );
        assert.equal(code, 1, output);
        assert.match(output, /last seen: (socket hang up|.*ECONNRESET)/);
    });

    it("fails when nobody listens", async () => {
        const { code, output } = await run(process.execPath, [program, "http://127.0.0.1:9/", "0.2"]);
        assert.equal(code, 1);
        assert.match(output, /last seen: .*ECONNREFUSED/);
    });
});

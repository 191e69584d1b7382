import * as assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
    type EtcdRollArgs,
    rollArgument,
    rollSecrets,
    scriptCommand,
    scriptInput,
    turnFiles,
} from "../../../components/clusters/node-script";
import { type Agent, launch } from "../../support/agents";
import { output, run, type CommandResult } from "../../support/command";

describe("the turn in an etcd cluster with certificates and users", function () {
    this.timeout(60_000);
    const address = "127.43.9.11";
    const endpoint = `https://${address}:2379`;
    const password = "correct-horse-battery-staple";
    const folder = mkdtempSync(join(tmpdir(), "gatehouse-roll-"));
    const [caFile, certificateFile, keyFile] = ["ca.pem", "client.pem", "client-key.pem"].map((each) =>
        join(folder, each),
    ) as [string, string, string];
    let etcd: Agent;

    before(async () => {
        await makeCertificates();
        writeFileSync(join(folder, "member.json"), JSON.stringify({ standing: "member" }));
        etcd = await launch(
            "etcd",
            {},
            endpoint,
            (data) => [
                ...["--name=etcd-1", `--data-dir=${data}/data`, "--log-level=error", "--unsafe-no-fsync"],
                ...[`--listen-client-urls=${endpoint}`, `--advertise-client-urls=${endpoint}`],
                ...[`--listen-peer-urls=http://${address}:2380`, "--client-cert-auth"],
                `--initial-advertise-peer-urls=http://${address}:2380`,
                `--initial-cluster=etcd-1=http://${address}:2380`,
                ...[`--trusted-ca-file=${caFile}`, `--cert-file=${certificateFile}`, `--key-file=${keyFile}`],
            ],
            async () => void (await ask("maintenance/status", {})),
        );
        for (const name of ["root", "nodes"]) {
            await ask("auth/role/add", { name });
            await ask("auth/user/add", { name, password });
            await ask("auth/user/grant", { user: name, role: name });
        }
        const [key, end] = ["/gatehouse/", "/gatehouse0"].map((text) => Buffer.from(text).toString("base64"));
        const permission = { permType: "READWRITE", key, range_end: end };
        await ask("auth/role/grant", { name: "nodes", perm: permission });
        await ask("auth/enable", {});
    });
    after(async () => {
        await etcd?.stop();
        rmSync(folder, { recursive: true, force: true });
    });

    /** Without a common name: etcd's gateway takes no other client certificate once there are users. */
    async function makeCertificates(): Promise<void> {
        const openssl = (line: string): Promise<string> =>
            output("openssl", line.split(" "), { cwd: folder });
        const key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        await openssl(`req -x509 ${key} -keyout ca-key.pem -out ${caFile} -days 2 -subj /CN=test`);
        await openssl(`req -new ${key} -keyout ${keyFile} -out request.pem -subj /`);
        writeFileSync(join(folder, "extensions"), `subjectAltName=critical,IP:${address}\n`);
        await openssl(
            `x509 -req -in request.pem -CA ${caFile} -CAkey ca-key.pem -CAcreateserial -days 2 -extfile extensions -out ${certificateFile}`,
        );
    }

    function ask(path: string, body: object): Promise<string> {
        return new Promise((resolve, reject) => {
            const [ca, cert, key] = [caFile, certificateFile, keyFile].map((file) => readFileSync(file));
            const options = { method: "POST", ca, cert, key, agent: false, timeout: 5000 };
            request(`${endpoint}/v3/${path}`, options, (response) => {
                let text = "";
                response.on("data", (chunk: Buffer) => (text += chunk.toString()));
                response.on("end", () =>
                    response.statusCode === 200 ? resolve(text) : reject(new Error(`${path}: ${text}`)),
                );
            })
                .on("error", reject)
                .end(JSON.stringify(body));
        });
    }

    async function script(
        file: string,
        node: string,
        user: string,
        word: string,
        more: object = {},
    ): Promise<CommandResult> {
        const roll: EtcdRollArgs = {
            role: user === "root" ? "server" : "client",
            timeout: 2,
            company: 0,
            state: folder,
            etcd: { endpoints: [endpoint], caFile, certificateFile, keyFile, user, password: word },
        };
        const secrets = await new Promise<object>((resolve) => rollSecrets(roll).apply(resolve));
        const command = scriptCommand({ ...rollArgument(node, roll, [endpoint]), ...more });
        assert.ok(!command.includes(word), "a command line is for everybody to see");
        return run("sh", ["-c", command], { input: scriptInput([...turnFiles(roll), file], secrets) });
    }

    it("is a client's that knows the nodes' password, and nobody's who does not", async () => {
        const went = await script("let-go.py", "web-1", "nodes", password);
        assert.equal(went.code, 0, went.output);
        assert.match(went.stdout, /"turn": "taken"/);
        const back = await script("gate.py", "web-1", "nodes", password);
        assert.equal(back.code, 0, back.output);
        assert.match(back.stdout, /"turn": "given back"/);

        const refused = await script("let-go.py", "web-1", "nodes", "not-the-password");
        assert.equal(refused.code, 1, refused.output);
        assert.match(refused.output, /etcd: .*authentication failed, invalid user ID or password/);
        assert.doesNotMatch(refused.output, /Traceback|not-the-password/);
    });

    it("is refused to the only member, whose scripts are root's", async () => {
        const gate = await script("gate.py", "etcd-1", "root", password);
        assert.equal(gate.code, 0, gate.output);
        const refused = await script("let-go.py", "etcd-1", "root", password);
        assert.equal(refused.code, 1, refused.output);
        assert.match(refused.output, /etcd-1 is the only server: the data of etcd would go with its machine/);
        // Who is not let in has not found a cluster that is away.
        const stranger = await script("presence.py", "etcd-1", "root", "not-the-password", { do: "leave" });
        assert.equal(stranger.code, 1, stranger.output);
        assert.match(stranger.output, /etcd-1 did not get its turn to leave.*\n.*authentication failed/);
    });
});

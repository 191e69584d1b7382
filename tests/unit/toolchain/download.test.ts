import * as assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";

import { Downloader, DownloadError, proxyFor } from "../../../toolchain/download";
import { fetchRelease, type Release } from "../../../toolchain/vendor";
import { makeZip } from "./zip";

const program = Buffer.from("#!/bin/sh\necho tool 1.2.3\n".padEnd(5000, "#"));
const archive = makeZip({ "LICENSE.txt": { content: Buffer.from("free") }, tool: { content: program } });
const sum = crypto.createHash("sha256").update(archive).digest("hex");

describe("downloads from a vendor", () => {
    let server: http.Server;
    let base: string;
    let folder: string;
    let requests: string[];
    let said: string[];
    const step = {
        say: (text: string) => said.push(text),
        note: (text: string) => said.push(text),
        update: () => {},
    };

    before((done) => {
        server = http.createServer((request, response) => {
            requests.push(`${request.method} ${request.url}`);
            answer(request.url ?? "", response);
        });
        server.listen(0, "127.0.0.1", () => {
            base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
            done();
        });
    });
    after((done) => {
        server.closeAllConnections();
        server.close(() => done());
    });
    beforeEach(() => {
        folder = fs.mkdtempSync(path.join(os.tmpdir(), "gatehouse-download-"));
        requests = [];
        said = [];
    });
    afterEach(() => fs.rmSync(folder, { recursive: true }));

    function answer(url: string, response: http.ServerResponse): void {
        switch (url) {
            case "/good/tool.zip":
            case "/bad/tool.zip":
            case "/unlisted/tool.zip":
                response.end(archive);
                break;
            case "/good/sums":
            case "/cut/sums":
            case "/hang/sums":
            case "/moved/sums":
                response.end(`${sum}  tool.zip\n`);
                break;
            case "/good/sums.sig":
                response.end("not a signature");
                break;
            case "/bad/sums":
                response.end(`${"0".repeat(64)}  tool.zip\n`);
                break;
            case "/unlisted/sums":
                response.end(`${sum}  another.zip\n`);
                break;
            case "/moved/tool.zip":
                response.writeHead(302, { location: "/good/tool.zip" }).end();
                break;
            case "/loop":
                response.writeHead(302, { location: "/loop" }).end();
                break;
            case "/cut/tool.zip":
                response.writeHead(200, { "content-length": archive.length });
                response.write(archive.subarray(0, 40), () => response.destroy());
                break;
            case "/hang/tool.zip":
                response.writeHead(200, { "content-length": archive.length });
                response.write(archive.subarray(0, 40)); // … and nothing more.
                break;
            case "/silent":
                break; // Never answers.
            default:
                response.writeHead(404).end();
        }
    }

    function releaseAt(place: string): Release {
        return {
            address: `${base}/${place}/tool.zip`,
            sums: `${base}/${place}/sums`,
            format: "zip",
            programs: { tool: "tool" },
        };
    }

    function patient(): Downloader {
        return new Downloader({ env: {}, allowHttp: true, connectTimeout: 30, idleTimeout: 30 });
    }
    /** For what never answers: a busy computer may be silent for as long as that. */
    function impatient(): Downloader {
        return new Downloader({ env: {}, allowHttp: true, connectTimeout: 0.3, idleTimeout: 0.3 });
    }
    /** Bears that an answer takes its time, but not that it stops. */
    function impatientOnceAnswered(): Downloader {
        return new Downloader({ env: {}, allowHttp: true, connectTimeout: 30, idleTimeout: 0.5 });
    }

    it("unpacks what has the right checksum, and leaves nothing else", async () => {
        await fetchRelease(releaseAt("good"), folder, patient(), step);
        assert.deepEqual(fs.readdirSync(folder), ["tool"]);
        assert.deepEqual(fs.readFileSync(path.join(folder, "tool")), program);
        assert.equal(execFileSync(path.join(folder, "tool"), { encoding: "utf8" }), "tool 1.2.3\n");
    });

    it("follows a redirection", async () => {
        await fetchRelease(releaseAt("moved"), folder, patient(), step);
        assert.deepEqual(fs.readFileSync(path.join(folder, "tool")), program);
    });

    it("checks the vendor's signature, and refuses the release when it is not good", async () => {
        const signed: Release = {
            ...releaseAt("good"),
            signature: `${base}/good/sums.sig`,
            signer: "hashicorp",
        };
        await assert.rejects(fetchRelease(signed, folder, patient(), step), /its signature is not good/);
        assert.ok(!requests.some((line) => line.endsWith("tool.zip")), "it is not even fetched");
    });

    it("says so when there is nothing to check a signature with, and refuses on demand", async () => {
        const signed: Release = {
            ...releaseAt("good"),
            signature: `${base}/good/sums.sig`,
            signer: "hashicorp",
        };
        const before = process.env["PATH"];
        process.env["PATH"] = folder;
        try {
            await assert.rejects(
                fetchRelease(signed, folder, patient(), step, { GATEHOUSE_REQUIRE_SIGNATURES: "1" }),
                /neither gpgv nor gpg is installed/,
            );
            await fetchRelease(signed, folder, patient(), step, {});
            assert.ok(said.some((line) => /gpg is not installed/.test(line)));
        } finally {
            process.env["PATH"] = before;
        }
    });

    const failures = [
        { place: "bad", says: /has the checksum/, downloader: patient },
        { place: "unlisted", says: /does not list/, downloader: patient },
        { place: "absent", says: /answered 404/, downloader: patient },
        { place: "cut", says: /cut off|aborted|bytes came/, downloader: patient },
        { place: "hang", says: /no data for/, downloader: impatientOnceAnswered },
    ];
    for (const { place, says, downloader } of failures) {
        it(`refuses a download that is ${place}, soon, so that the next source is tried`, async () => {
            const began = Date.now();
            await assert.rejects(
                fetchRelease(releaseAt(place), folder, downloader(), step),
                (error: Error) => error instanceof DownloadError && says.test(error.message),
            );
            assert.ok(Date.now() - began < 2000);
            assert.ok(!fs.existsSync(path.join(folder, "tool")));
        });
    }

    it("gives up a host at its first silence, and does not ask it again", async () => {
        const downloader = impatient();
        await assert.rejects(downloader.read(`${base}/silent`), /no answer within/);
        const asked = requests.length;
        await assert.rejects(downloader.read(`${base}/good/sums`), (error: Error) => {
            return error instanceof DownloadError && error.unreachable;
        });
        assert.equal(requests.length, asked);
    });

    it("does not blame a host for a missing file", async () => {
        const downloader = patient();
        await assert.rejects(downloader.read(`${base}/absent/sums`), /404/);
        assert.equal((await downloader.read(`${base}/good/sums`)).toString(), `${sum}  tool.zip\n`);
    });

    it("takes any answer as reachable, and none as not", async () => {
        assert.equal(await patient().reachable(`${base}/absent`), true);
        assert.equal(await impatient().reachable(`${base}/silent`), false);
        assert.equal(await impatient().reachable("http://127.0.0.1:1/"), false);
    });

    it("ends a circle of redirections", async () => {
        await assert.rejects(patient().read(`${base}/loop`), /too many redirections/);
    });

    it("uses nothing but https unless a test allows it", async () => {
        await assert.rejects(new Downloader({ env: {} }).read(`${base}/good/sums`), /only https/);
        assert.deepEqual(requests, []);
    });
});

describe("proxyFor", () => {
    const url = new URL("https://releases.hashicorp.com/consul");

    it("reads the usual variables", () => {
        assert.equal(proxyFor(url, { HTTPS_PROXY: "http://proxy:3128" })?.host, "proxy:3128");
        assert.equal(proxyFor(url, { https_proxy: "http://u:p@proxy:3128" })?.username, "u");
        assert.equal(proxyFor(url, {}), undefined);
    });

    it("honours exceptions by domain", () => {
        const env = { HTTPS_PROXY: "http://proxy:3128" };
        assert.equal(proxyFor(url, { ...env, NO_PROXY: "localhost, .hashicorp.com" }), undefined);
        assert.equal(proxyFor(url, { ...env, NO_PROXY: "hashicorp.com" }), undefined);
        assert.equal(proxyFor(url, { ...env, NO_PROXY: "*" }), undefined);
        assert.ok(proxyFor(url, { ...env, NO_PROXY: "corp.com,notreleases.hashicorp.com" }));
    });
});

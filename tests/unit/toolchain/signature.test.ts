import * as assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

import { judge, signers, verifySignature } from "../../../toolchain/signature";

describe("signatures", () => {
    let folder: string;
    let home: string;
    const file = (name: string): string => path.join(folder, name);

    function gpg(...args: string[]): string {
        return execFileSync("gpg", ["--homedir", home, "--batch", "--passphrase", "", "--quiet", ...args], {
            encoding: "utf8",
            stdio: ["ignore", "pipe", "ignore"],
        });
    }

    /** A key of its own, as an armoured file with its fingerprint. */
    function makeSigner(user: string, ...options: string[]): { file: string; fingerprint: string } {
        gpg(
            ...options,
            "--quick-generate-key",
            user,
            "ed25519",
            "sign",
            options.length > 0 ? "seconds=60" : "never",
        );
        fs.writeFileSync(file(`${user}.asc`), gpg("--armor", "--export", user));
        const fingerprint =
            /^fpr:+([0-9A-F]{40})/m.exec(gpg("--with-colons", "--list-keys", user))?.[1] ?? "";
        return { file: file(`${user}.asc`), fingerprint };
    }

    function sign(user: string, ...options: string[]): string {
        const signature = file(`sums.${user}.sig`);
        gpg("--yes", ...options, "--local-user", user, "--output", signature, "--detach-sign", file("sums"));
        return signature;
    }

    before(() => {
        folder = fs.mkdtempSync(path.join(os.tmpdir(), "gatehouse-sig-"));
        home = path.join(folder, "home");
        fs.mkdirSync(home, { mode: 0o700 });
        fs.writeFileSync(file("sums"), `${"a".repeat(64)}  tool.zip\n`);
    });
    after(() => {
        execFileSync("gpgconf", ["--homedir", home, "--kill", "all"]);
        fs.rmSync(folder, { recursive: true, force: true });
    });

    it("accepts the vendor's", async () => {
        const signer = makeSigner("vendor");
        assert.equal(await verifySignature(signer, file("sums"), sign("vendor")), "good");
    });

    it("refuses a changed list", async () => {
        const signer = makeSigner("careful");
        const signature = sign("careful");
        fs.writeFileSync(file("changed"), `${"b".repeat(64)}  tool.zip\n`);
        await assert.rejects(verifySignature(signer, file("changed"), signature), /BADSIG/);
    });

    it("refuses somebody else's", async () => {
        const signer = makeSigner("expected");
        makeSigner("stranger");
        await assert.rejects(verifySignature(signer, file("sums"), sign("stranger")), /not good/);
    });

    it("refuses a key file that has another key than the pinned one", async () => {
        const swapped = makeSigner("swapped");
        const signer = { file: swapped.file, fingerprint: signers.hashicorp.fingerprint };
        await assert.rejects(
            verifySignature(signer, file("sums"), sign("swapped")),
            /expected the key C874011F/,
        );
    });

    it("accepts one that was made before its key expired", async () => {
        const past = ["--faked-system-time", "20200101T000000!"];
        const signer = makeSigner("retired", ...past);
        assert.equal(await verifySignature(signer, file("sums"), sign("retired", ...past)), "good");
    });

    it("refuses a revoked key, which gpg also calls valid", () => {
        const fingerprint = "A".repeat(40);
        const valid = `[GNUPG:] VALIDSIG ${fingerprint} 2020-01-01 1577836800 0 4 0 22 8 00 ${fingerprint}\n`;
        judge(`[GNUPG:] GOODSIG 1 x\n${valid}`, fingerprint);
        assert.throws(() => judge(`[GNUPG:] REVKEYSIG 1 x\n${valid}`, fingerprint), /REVKEYSIG/);
        assert.throws(() => judge("", fingerprint), /no valid signature/);
    });

    it("carry HashiCorp's key, by its published fingerprint", () => {
        const output = execFileSync(
            "gpg",
            ["--homedir", home, "--with-colons", "--show-keys", signers.hashicorp.file],
            {
                encoding: "utf8",
            },
        );
        assert.equal(/^fpr:+([0-9A-F]{40})/m.exec(output)?.[1], signers.hashicorp.fingerprint);
    });
});

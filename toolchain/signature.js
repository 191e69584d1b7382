// @ts-check
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { run, which } = require("./run");

/** Key files and the fingerprints of their primary keys. */
const signers = {
    hashicorp: {
        file: path.join(__dirname, "keys", "hashicorp.asc"),
        // https://www.hashicorp.com/trust/security
        fingerprint: "C874011F0AB405110D02105534365D9472D7468F",
    },
};

/**
 * Checks a detached OpenPGP signature.
 * @param {{ file: string, fingerprint: string }} signer
 * @param {string} data the signed file
 * @param {string} signature
 * @returns {Promise<"good" | "no gpg">} throws on a bad signature
 */
async function verifySignature(signer, data, signature) {
    const gpgv = which("gpgv");
    const gpg = which("gpg");
    if (gpgv === undefined && gpg === undefined) {
        return "no gpg";
    }
    const home = fs.mkdtempSync(path.join(os.tmpdir(), "gatehouse-gpg-"));
    try {
        let status;
        if (gpgv !== undefined) {
            const keyring = path.join(home, "key.gpg");
            fs.writeFileSync(keyring, dearmor(fs.readFileSync(signer.file, "utf8")));
            status = await run(gpgv, [
                "--homedir",
                home,
                "--keyring",
                keyring,
                "--status-fd",
                "1",
                signature,
                data,
            ]);
        } else {
            const command = /** @type {string} */ (gpg);
            await run(command, ["--homedir", home, "--batch", "--import", signer.file]);
            status = await run(command, [
                "--homedir",
                home,
                "--batch",
                "--status-fd",
                "1",
                "--verify",
                signature,
                data,
            ]);
        }
        judge(status.stdout, signer.fingerprint);
        return "good";
    } finally {
        fs.rmSync(home, { recursive: true, force: true });
    }
}

/**
 * Reads gpg's status lines. A signature by a key that has expired since is good; by a revoked or another key is not.
 * @param {string} status
 * @param {string} fingerprint
 */
function judge(status, fingerprint) {
    const lines = status.split("\n").map((line) => line.replace(/^\[GNUPG:\] /, "").split(" "));
    const bad = lines.find(([word]) => /^(BADSIG|ERRSIG|REVKEYSIG|EXPSIG)$/.test(word ?? ""));
    const valid = lines.find(([word]) => word === "VALIDSIG");
    // The last field of VALIDSIG is the primary key's fingerprint, also where a subkey signed.
    if (bad !== undefined || valid === undefined || valid.at(-1) !== fingerprint) {
        throw new Error(
            `its signature is not good (${bad?.[0] ?? valid?.[0] ?? "no valid signature"}), expected the key ${fingerprint}`,
        );
    }
}

/**
 * The binary form of an armoured key, which is what gpgv reads.
 * @param {string} text
 */
function dearmor(text) {
    const body =
        /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\n]*:[^\n]*\n)*\r?\n?([\s\S]*?)(?:\n=[^\n]*)?\r?\n-----END/.exec(
            text,
        )?.[1];
    if (body === undefined) {
        throw new Error("not an armoured public key");
    }
    return Buffer.from(body.replace(/\s/g, ""), "base64");
}

module.exports = { signers, verifySignature, judge, dearmor };

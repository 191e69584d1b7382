import { utils } from "ssh2";

/** A pair of keys in OpenSSH's format. One in two hundred that ssh2 makes it cannot read itself: another is made then. */
export function sshKeys(): { private: string; public: string } {
    for (;;) {
        const pair = utils.generateKeyPairSync("ed25519");
        if (!(utils.parseKey(pair.private) instanceof Error)) {
            return pair;
        }
    }
}

import { createSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer } from "node:https";

/** Signs workload identities and publishes its key, as Nomad's servers do. */
export interface IdentityProvider {
    /** Where the key set is. */
    readonly url: string;
    readonly key: KeyObject;
    /** A JSON Web Token with these claims, good for an hour; signed by the provider's own key if no other is given. */
    sign(claims: object, key?: KeyObject): string;
    close(): void;
}

export async function identityProvider(
    address: string,
    { certPem, keyPem }: { certPem: string; keyPem: string },
): Promise<IdentityProvider> {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const keys = [{ ...publicKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "test" }];
    const server = createServer({ cert: certPem, key: keyPem }, (_request, response) => {
        response.setHeader("content-type", "application/json").end(JSON.stringify({ keys }));
    });
    await new Promise<void>((resolve, reject) => {
        server.once("error", reject).listen(4646, address, resolve);
    });
    return {
        url: `https://${address}:4646/.well-known/jwks.json`,
        key: privateKey,
        sign: (claims, key = privateKey) => {
            const now = Math.floor(Date.now() / 1000);
            const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
            const signed = [
                encode({ alg: "RS256", kid: "test", typ: "JWT" }),
                encode({ iat: now, nbf: now, exp: now + 3600, ...claims }),
            ].join(".");
            return `${signed}.${createSign("RSA-SHA256").update(signed).sign(key, "base64url")}`;
        },
        close: () => {
            server.close();
            server.closeAllConnections();
        },
    };
}

import { mkdtempSync, rmSync, writeFileSync, readFileSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { imageReference } from "../../toolchain/images";
import { output } from "./command";
import { docker } from "./docker";
import { eventually } from "./poll";
import { tlsRequest } from "./tls";

export interface PebbleOptions {
    /** Name of the container; its alias in the network is `pebble`. */
    name: string;
    /** The Docker network that it and whom it validates are in. */
    network: string;
    /** For the label `dev.gatehouse.stack`. */
    stack: string;
    /** How long its certificates are valid, in seconds. Default five years. */
    validitySeconds?: number;
    /** Domains that it refuses to issue for. */
    blocked?: string[];
    /** Accounts that it binds to: HMAC keys by key id. Without, it asks for none. */
    externalAccounts?: Record<string, string>;
}

/** Let's Encrypt's small ACME server for tests, with real validation over HTTP. */
export class Pebble {
    /** As containers of the network reach it. */
    readonly directory = "https://pebble:14000/dir";
    /** What its own TLS certificate is verified with. */
    readonly ca: string;
    private readonly folder = mkdtempSync(join(tmpdir(), "gatehouse-pebble-"));

    private constructor(private readonly options: PebbleOptions) {
        chmodSync(this.folder, 0o755);
        this.ca = "";
    }

    static async start(options: PebbleOptions): Promise<Pebble> {
        const pebble = new Pebble(options);
        const { folder } = pebble;
        await output("openssl", [
            ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
            ...["-days", "2", "-subj", "/CN=pebble", "-addext", "subjectAltName=DNS:pebble,DNS:localhost"],
            ...["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")],
        ]);
        chmodSync(join(folder, "key.pem"), 0o644);
        Object.assign(pebble, { ca: readFileSync(join(folder, "cert.pem"), "utf8") });
        const { validitySeconds, blocked, externalAccounts } = options;
        const configuration = {
            listenAddress: "0.0.0.0:14000",
            managementListenAddress: "0.0.0.0:15000",
            certificate: "/etc/pebble/cert.pem",
            privateKey: "/etc/pebble/key.pem",
            httpPort: 80,
            tlsPort: 443,
            ocspResponderURL: "",
            externalAccountBindingRequired: externalAccounts !== undefined,
            externalAccountMACKeys: externalAccounts,
            domainBlocklist: blocked,
            certificateValidityPeriod: validitySeconds,
        };
        writeFileSync(join(folder, "config.json"), JSON.stringify({ pebble: configuration }));
        await docker(
            ...["run", "--detach", "--name", options.name, "--label", `dev.gatehouse.stack=${options.stack}`],
            ...["--network", options.network, "--network-alias", "pebble"],
            ...["--publish", "127.0.0.1::15000", "--volume", `${folder}:/etc/pebble:ro`],
            // Validation at once. Unless told otherwise it refuses one nonce in twenty, at times two in a row.
            ...["--env", "PEBBLE_VA_NOSLEEP=1", "--env", "PEBBLE_WFE_NONCEREJECT=0"],
            imageReference("pebble"),
        );
        await eventually("pebble answers", () => pebble.root());
        return pebble;
    }

    /** The root certificate that its certificates lead to. It makes a new one at each start. */
    async root(): Promise<string> {
        const port = await this.managementPort();
        const answer = await tlsRequest({ port, path: "/roots/0", ca: this.ca, servername: "localhost" });
        if (answer.status !== 200) {
            throw new Error(`pebble answered ${answer.status}`);
        }
        return answer.body;
    }

    async stop(): Promise<void> {
        await docker("stop", "--time", "1", this.options.name);
    }

    /** As after a crash: it has forgotten accounts and certificates. */
    async restart(): Promise<void> {
        await docker("start", this.options.name);
        await eventually("pebble answers", () => this.root());
    }

    async remove(): Promise<void> {
        await docker("rm", "--force", "--volumes", this.options.name);
        rmSync(this.folder, { recursive: true, force: true });
    }

    private async managementPort(): Promise<number> {
        const published = await docker("port", this.options.name, "15000/tcp");
        return Number(published.trim().split("\n")[0]!.split(":").at(-1));
    }
}

import { existsSync, mkdirSync, readFileSync } from "node:fs";

import { type CheckedCertificate } from "./certificate";
import { Haproxy, replaceFile } from "./haproxy";
import { renderHaproxy, serverAddress } from "./haproxy-config";
import { CertificateKeeper, type CertificateStatus } from "./keeper";
import { log, messageOf } from "./messages";
import { paths } from "./paths";
import { poll } from "./poll";
import { assertServing } from "./serving";
import type { Settings } from "./settings";

/** The name of HAProxy's backend that has all the web servers. */
const applicationBackend = "apps";

/** What `/health` tells. */
export interface Health {
    alive: boolean;
    backends: { up: number; total: number; byName: Record<string, "up" | "down"> };
    /** Null without HTTPS. */
    certificate: CertificateStatus | null;
}

/** Keeps HAProxy as the settings say, and its certificate fresh. */
export class Supervisor {
    private readonly keeper = new CertificateKeeper(
        paths.certificates,
        (certificate) => this.alone(() => this.install(certificate)),
        log,
    );
    private haproxy: Haproxy | undefined;
    private settings: Settings | undefined;
    private configuration = "";
    private queue: Promise<unknown> = Promise.resolve();
    private stopping = false;

    /** Starts HAProxy; rejects when it refuses the settings. */
    start(settings: Settings): Promise<void> {
        return this.alone(async () => {
            mkdirSync(paths.state, { recursive: true });
            const certificate = settings.https && (await this.keeper.choose(settings.https));
            if (certificate !== undefined) {
                replaceFile(paths.site, certificate.pem);
            }
            Haproxy.prepare();
            const configuration = renderHaproxy(settings);
            const complaints = await Haproxy.checkConfiguration(configuration);
            if (complaints !== undefined) {
                throw new Error(`HAProxy refuses the settings:\n${complaints}`);
            }
            this.haproxy = await Haproxy.start(configuration);
            this.adopt(settings, configuration);
            this.keeper.follow(settings.https, certificate);
        });
    }

    /** Takes other settings into use without losing a request. Rejects, with everything as before, when that fails. */
    apply(settings: Settings): Promise<string> {
        return this.alone(async () => {
            const { haproxy, settings: before } = this;
            if (haproxy === undefined || before === undefined) {
                throw new Error("the balancer has not started yet; try again");
            }
            // Certificates are only drawn anew when their settings change; a self-signed one would differ every time.
            const sameHttps = JSON.stringify(settings.https) === JSON.stringify(before.https);
            const certificate =
                settings.https === undefined || sameHttps
                    ? undefined
                    : await this.keeper.choose(settings.https);
            await this.check(settings, certificate);

            const configuration = renderHaproxy(settings);
            const served = existsSync(paths.site) ? readFileSync(paths.site, "utf8") : undefined;
            try {
                if (configuration !== this.configuration) {
                    if (certificate !== undefined) {
                        replaceFile(paths.site, certificate.pem);
                    }
                    await haproxy.reload(
                        configuration,
                        applicationBackend,
                        unchanged(before, settings),
                        this.configuration,
                    );
                } else if (certificate !== undefined && certificate.pem !== served) {
                    await this.install(certificate);
                }
            } catch (error) {
                if (served !== undefined) {
                    replaceFile(paths.site, served);
                }
                throw error;
            }
            const reloaded = configuration !== this.configuration;
            this.adopt(settings, configuration);
            if (!sameHttps) {
                this.keeper.follow(settings.https, certificate);
            }
            const outcome = reloaded ? "new settings are in use" : "nothing to change in HAProxy";
            log(`${outcome}: ${summary(settings)}`);
            return `${outcome}: ${summary(settings)}`;
        });
    }

    async health(): Promise<Health> {
        const servers = (await this.haproxy?.servers(applicationBackend).catch(() => undefined)) ?? [];
        return {
            alive: this.haproxy !== undefined && !this.stopping,
            backends: {
                up: servers.filter(({ up }) => up).length,
                total: servers.length,
                byName: Object.fromEntries(servers.map(({ name, up }) => [name, up ? "up" : "down"])),
            },
            certificate: this.keeper.status() ?? null,
        };
    }

    /** Waits a while for every backend to be up. Returns how many are, as a phrase. */
    async settled(withinMs: number): Promise<string> {
        await poll(withinMs, 50, async () => {
            const { up, total } = (await this.health()).backends;
            return up === total;
        }).catch(() => undefined);
        const { up, total } = (await this.health()).backends;
        return `${up} of ${total} backends are up`;
    }

    /**
     * Waits until a backend's present server gets requests (serving.ts). Returns what came of it, as a phrase; a name
     * that no backend has is nothing to wait for. Rejects with what is missing when it takes longer than that.
     */
    async serving(name: string, withinMs: number): Promise<string> {
        const asked = async (): Promise<string> => {
            const backend = this.settings?.backends.find((each) => each.name === name);
            if (this.settings === undefined || backend === undefined) {
                return `${name} is no backend of this balancer's; there is nothing to wait for`;
            }
            const servers = (await this.haproxy?.servers(applicationBackend)) ?? [];
            const state = servers.find((each) => each.name === name);
            await assertServing(backend, this.settings, state);
            return `${name} (${serverAddress(backend)}) gets requests`;
        };
        return poll(withinMs, 100, asked).catch((error: unknown) => {
            throw new Error(`${name} gets no requests within ${withinMs / 1000} s: ${messageOf(error)}`);
        });
    }

    /** Fulfilled with HAProxy's exit code when it ends, asked or not. */
    async ended(): Promise<number> {
        const code = (await this.haproxy?.ended) ?? 1;
        if (this.stopping) {
            return 0;
        }
        this.keeper.stop();
        console.error(`balancer: haproxy has ended with code ${code}`);
        return code === 0 ? 1 : code;
    }

    /** Stops softly. */
    async stop(): Promise<void> {
        if (!this.stopping) {
            this.stopping = true;
            this.keeper.stop();
            await this.haproxy?.stop(this.settings?.stopSeconds ?? 0);
        }
    }

    private adopt(settings: Settings, configuration: string): void {
        this.settings = settings;
        this.configuration = configuration;
    }

    /** Has HAProxy itself read the settings, with the certificate that is to come, before anything changes. */
    private async check(settings: Settings, certificate: CheckedCertificate | undefined): Promise<void> {
        const candidate = `${paths.site}.candidate`;
        if (certificate !== undefined) {
            replaceFile(candidate, certificate.pem);
        }
        const complaints = await Haproxy.checkConfiguration(
            renderHaproxy(settings, certificate === undefined ? paths.site : candidate),
        );
        if (complaints !== undefined) {
            throw new Error(`HAProxy refuses the settings; nothing has changed:\n${complaints}`);
        }
    }

    /** Puts another certificate into use: through the command socket, or by a reload if HAProxy does not want that. */
    private async install(certificate: CheckedCertificate): Promise<void> {
        if (this.haproxy === undefined) {
            throw new Error("HAProxy does not run");
        }
        const served = readFileSync(paths.site, "utf8");
        replaceFile(paths.site, certificate.pem);
        try {
            await this.haproxy.setCertificate(paths.site, certificate.pem, certificate.info.serial);
        } catch (error) {
            log(`${messageOf(error)}; reloading instead`);
            const complaints = await Haproxy.checkConfiguration(this.configuration);
            if (complaints !== undefined) {
                replaceFile(paths.site, served);
                throw new Error(`HAProxy refuses the certificate: ${complaints}`);
            }
            const names = this.settings?.backends.map(({ name }) => name) ?? [];
            await this.haproxy.reload(this.configuration, applicationBackend, names, this.configuration);
        }
    }

    /** One change at a time. */
    private alone<T>(action: () => Promise<T>): Promise<T> {
        const result = this.queue.then(action);
        this.queue = result.catch(() => undefined);
        return result;
    }
}

/** Names of the backends that are at the same address before and after. */
function unchanged(before: Settings, after: Settings): string[] {
    const addresses = new Map(before.backends.map((backend) => [backend.name, serverAddress(backend)]));
    return after.backends
        .filter((backend) => addresses.get(backend.name) === serverAddress(backend))
        .map(({ name }) => name);
}

function summary(settings: Settings): string {
    const backends = settings.backends
        .map((backend) => `${backend.name} (${serverAddress(backend)})`)
        .join(", ");
    const https = settings.https === undefined ? "HTTP" : `HTTPS for ${settings.https.domain}`;
    return `${https}, backends: ${backends || "none"}`;
}

import { existsSync, readFileSync } from "node:fs";

import { type Command, send, serveControl, serveHealth } from "./control";
import { replaceFile } from "./haproxy";
import { log, messageOf } from "./messages";
import { paths } from "./paths";
import { type ParseOptions, parseSettings, readFiles, type Settings } from "./settings";
import { Supervisor } from "./supervisor";

const usage = `usage:
  serve             balance as the environment says (docs/sticky.md)
  serve --managed   balance as \`apply\` says; until then answer with a page that nothing is available
  apply             read settings from standard input, a JSON object of the environment's names, and use them
  await NAME [SECONDS]
                    wait until requests go to what that backend is now; fails after so long, at most 50 s (30)
`;

/** How long `await` waits by default: a web server that has just been started answers within that, or not at all. */
const awaitSeconds = "30";
/** How long `apply` waits for backends that are up before it says how many are. */
const firstChecksMs = 3000;

type Values = Record<string, string | undefined>;

const parse = (values: Values, options: ParseOptions): Settings =>
    parseSettings(
        readFiles(values, (path) => readFileSync(path, "utf8")),
        options,
    );

/** The settings of a managed balancer, as `apply` gets them. */
function parseJson(body: string, options: ParseOptions): Settings {
    let values: unknown;
    try {
        values = JSON.parse(body);
    } catch {
        // What was read may be secret: it is not repeated.
    }
    if (typeof values !== "object" || values === null || Array.isArray(values)) {
        throw new Error('the settings must be a JSON object such as {"BACKEND1_URL": "web:80"}');
    }
    const strings = Object.entries(values).map(([name, value]) => [
        name,
        typeof value === "object" || value === null ? undefined : String(value),
    ]);
    return parse(Object.fromEntries(strings) as Values, { ...options, needBackends: false, strict: true });
}

/** What was applied before a restart. It was valid then: that a certificate has expired meanwhile stops nothing. */
function storedSettings(): Settings {
    try {
        return parseJson(existsSync(paths.settings) ? readFileSync(paths.settings, "utf8") : "{}", {});
    } catch (error) {
        log(`the stored settings cannot be used, apply them again: ${messageOf(error)}`);
        return parseSettings({}, { needBackends: false });
    }
}

async function serve(managed: boolean): Promise<number> {
    const supervisor = new Supervisor();
    let stopRequested = false;
    for (const signal of ["SIGTERM", "SIGINT", "SIGUSR1"] as const) {
        process.on(signal, () => {
            log(`${signal}: stopping`);
            stopRequested = true;
            void supervisor.stop();
        });
    }
    const settings = managed ? storedSettings() : parse(process.env, { at: new Date() });
    await serveHealth(() => supervisor.health());
    await supervisor.start(settings);
    if (stopRequested) {
        await supervisor.stop();
    }
    await serveControl({
        apply: async (body) => {
            if (!managed) {
                throw new Error(
                    "this balancer is set by its environment; start it with `serve --managed` to apply settings",
                );
            }
            const message = await supervisor.apply(parseJson(body, { at: new Date() }));
            replaceFile(paths.settings, body);
            return `${message}; ${await supervisor.settled(firstChecksMs)}`;
        },
        await: (body) => {
            const [name = "", seconds = awaitSeconds] = body.split(" ");
            return supervisor.serving(name, Number(seconds) * 1000);
        },
    });
    return supervisor.ended();
}

async function tell(command: Command, body: string): Promise<number> {
    const { ok, message } = await send(command, body);
    (ok ? process.stdout : process.stderr).write(message);
    return ok ? 0 : 1;
}

async function main([command = "serve", ...options]: string[]): Promise<number> {
    if (command === "serve" && options.every((option) => option === "--managed")) {
        return serve(options.length > 0);
    }
    if (command === "apply" && options.length === 0) {
        return tell("apply", readFileSync(0, "utf8"));
    }
    const [backend, seconds = awaitSeconds, ...more] = options;
    if (
        command === "await" &&
        backend !== undefined &&
        /^([1-4]?\d|50)$/.test(seconds) &&
        more.length === 0
    ) {
        return tell("await", `${backend} ${seconds}`);
    }
    process.stderr.write(usage);
    return 2;
}

main(process.argv.slice(2)).then(
    (code) => process.exit(code),
    (error: unknown) => {
        console.error(messageOf(error));
        process.exit(1);
    },
);

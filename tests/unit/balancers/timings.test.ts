import * as assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as path from "node:path";

import { propagation } from "../../../components/balancers/propagation";
import * as timings from "../../../components/balancers/timings";
import { seconds } from "../../../settings/guard";
import { findTool } from "../../support/agents";
import { root, run } from "../../support/command";
import { section } from "./configuration";
import { defaultItems, renderHaproxy } from "./render";

const text = (file: string): string => readFileSync(path.join(root, file), "utf8");

/** The words after a keyword in the one line of a section that begins with it. */
function words(lines: string[], keyword: string): string[] {
    const found = lines.filter((line) => line.startsWith(`${keyword} `));
    assert.equal(found.length, 1, `"${keyword}" stands ${found.length} times among\n${lines.join("\n")}`);
    return found[0]!.slice(keyword.length + 1).split(/\s+/);
}

/** The word after another one. */
function after(all: string[], name: string): string {
    const value = all[all.indexOf(name) + 1];
    assert.ok(all.includes(name) && value !== undefined, `there is no ${name} in ${all.join(" ")}`);
    return value;
}

/** What `haproxyChecks` says, read in a section `defaults`, and in the one that has the servers' settings. */
function checksOf(defaults: string[], servers: string[], global: string[]) {
    const check = words(servers, "default-server");
    const span = (name: string) => seconds(words(defaults, `timeout ${name}`)[0]!);
    const spread = global.filter((line) => line.startsWith("spread-checks "));
    return {
        inter: seconds(after(check, "inter")),
        fastinter: seconds(after(check, "fastinter")),
        fall: Number(after(check, "fall")),
        timeoutConnect: span("connect"),
        timeoutCheck: span("check"),
        spread: Number(spread[0]?.split(" ")[1] ?? 0) / 100,
    };
}

interface NomadJob {
    TaskGroups: {
        ShutdownDelay: number;
        Services: { Checks: { Interval: number; Timeout: number }[] }[];
        Tasks: {
            Templates: {
                DestPath: string;
                EmbeddedTmpl: string;
                Splay: number;
                Wait: { Max: number } | null;
            }[];
        }[];
    }[];
}

/** A job file as Nomad reads it. Its spans are nanoseconds. */
async function job(file: string): Promise<NomadJob> {
    const { code, stdout, output } = await run(
        findTool("nomad"),
        ["job", "run", "-output", path.join(root, "jobs", file)],
        { env: { ...process.env, NOMAD_ADDR: "http://127.0.0.1:1" } },
    );
    assert.equal(code, 0, output);
    return (JSON.parse(stdout) as { Job: NomadJob }).Job;
}

const nanoseconds = 1e9;

/** Neither the constants nor the files can change alone. */
describe("the timings that propagation counts with", function () {
    this.timeout("1m");

    for (const discovery of ["dns", "events"]) {
        it(`are those of the nomad lab's HAProxy with discovery ${discovery}`, async () => {
            const rendered = await renderHaproxy({ items: { ...defaultItems, discovery } });
            const defaults = section(rendered, "defaults");
            assert.deepEqual(
                checksOf(defaults, section(rendered, "backend webapp"), section(rendered, "global")),
                { ...timings.haproxyChecks, spread: 0 },
            );
            assert.equal(seconds(words(defaults, "timeout http-keep-alive")[0]!), timings.keepAlive);
        });
    }

    it("are those of its resolver", async () => {
        const lines = section(await renderHaproxy({ items: defaultItems }), "resolvers consul");
        const holds = lines
            .filter((line) => line.startsWith("hold "))
            .map((line) => line.split(" ").slice(1));
        assert.deepEqual(
            {
                timeoutResolve: seconds(words(lines, "timeout resolve")[0]!),
                timeoutRetry: seconds(words(lines, "timeout retry")[0]!),
                hold: Object.fromEntries(
                    holds.map(([name, span]) => [name, span === "0s" ? 0 : seconds(span!)]),
                ),
            },
            timings.resolvers,
        );
    });

    it("are those of Nomad's template and of the module's settings", async () => {
        const { TaskGroups } = await job("haproxy.nomad.hcl");
        const templates = TaskGroups[0]!.Tasks[0]!.Templates;
        const [rendered, settings] = ["secrets/haproxy.cfg", "secrets/discovery.json"].map((at) => {
            const found = templates.find(({ DestPath }) => DestPath === at);
            assert.ok(found, `no template is rendered to ${at}`);
            return found;
        });
        assert.deepEqual(
            {
                waitMax: (rendered!.Wait?.Max ?? NaN) / nanoseconds,
                splay: rendered!.Splay / nanoseconds,
            },
            timings.nomadTemplate,
        );
        const { guard } = JSON.parse(settings!.EmbeddedTmpl) as { guard: { hold: number } };
        assert.equal(guard.hold, timings.events.hold);
        const pause = /^local first_pause, longest_pause = (\d+), /m.exec(
            text("components/balancers/events/events.lua"),
        );
        assert.equal(Number(pause?.[1]) / 1000, timings.events.pause);
    });

    it("are those of the web application's job", async () => {
        const [group] = (await job("demo-webapp.nomad.hcl")).TaskGroups;
        assert.equal(group!.ShutdownDelay / nanoseconds, timings.shutdownDelay);
        const [check] = group!.Services[0]!.Checks;
        assert.deepEqual(
            { interval: check!.Interval / nanoseconds, timeout: check!.Timeout / nanoseconds },
            timings.serviceCheck,
        );
    });

    for (const file of ["components/balancers/node/haproxy.ctmpl", "images/templater/haproxy.ctmpl"]) {
        it(`are those of ${file}, in each of its sections`, () => {
            const lines = text(file)
                .split("\n")
                .map((line) => line.trim());
            const global = lines.filter((line) => line.startsWith("spread-checks "));
            const every = (start: string) => lines.filter((line) => line.startsWith(start));
            assert.ok(every("default-server ").length > 0);
            // Each `default-server` with each of the spans: whatever section they stand in.
            for (const server of every("default-server ")) {
                for (const connect of every("timeout connect ").filter((line) => !line.endsWith("500ms"))) {
                    for (const check of every("timeout check ")) {
                        assert.deepEqual(checksOf([connect, check], [server], global), timings.haproxyChecks);
                    }
                }
            }
        });
    }

    for (const file of [
        "components/balancers/node/consul-template.hcl",
        "images/templater/consul-template.hcl",
    ]) {
        it(`leave out a wait, as ${file} does`, () => {
            assert.doesNotMatch(text(file), /^\s*wait\b/m);
        });
    }

    it("let an instance be stopped when nobody sends it requests any more, whatever the form", () => {
        for (const discovery of [
            { form: "dns" },
            { form: "events" },
            { form: "template", by: "nomad" },
            { form: "template", by: "guard" },
        ] as const) {
            const { deregistration } = propagation({ discovery });
            assert.ok(deregistration.seconds <= timings.shutdownDelay, discovery.form);
        }
    });
});

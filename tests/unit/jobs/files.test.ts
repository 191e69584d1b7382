import * as assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import * as path from "node:path";

import { slotCount } from "../../../components/balancers/slots";
import { findTool } from "../../support/agents";
import { root, run } from "../../support/command";

interface Check {
    Type: string;
    Interval: number;
    Timeout: number;
}
interface Service {
    Name: string;
    Checks: Check[] | null;
}
interface Update {
    AutoRevert: boolean;
    AutoPromote: boolean;
    Canary: number;
    MaxParallel: number;
    ProgressDeadline: number;
    HealthyDeadline: number;
}
interface Group {
    Name: string;
    Count: number;
    ShutdownDelay: number | null;
    Services: Service[] | null;
    RestartPolicy: { Attempts: number; Delay: number };
    Tasks: {
        Name: string;
        KillTimeout: number | null;
        Config: { image: string; privileged?: boolean };
        Resources: { CPU: number; MemoryMB: number };
    }[];
    Constraints: { LTarget: string; RTarget: string }[] | null;
}
interface Job {
    /** Holds for every group. */
    Update: Update;
    TaskGroups: Group[];
}

const folder = path.join(root, "jobs");
const files = readdirSync(folder).filter((file) => file.endsWith(".nomad.hcl"));
const seconds = 1e9;
// No agent is asked: what is wrong in the file itself is found without one.
const offline = { ...process.env, NOMAD_ADDR: "http://127.0.0.1:1" };

async function nomad(...args: string[]): Promise<string> {
    const { code, stdout, output } = await run(findTool("nomad"), args, { env: offline });
    assert.equal(code, 0, output);
    return stdout;
}

/** The job as Nomad reads it. */
async function parse(file: string, variables: Record<string, string> = {}): Promise<Job> {
    const vars = Object.entries(variables).flatMap(([name, value]) => ["-var", `${name}=${value}`]);
    const text = await nomad("job", "run", "-output", ...vars, path.join(folder, file));
    return (JSON.parse(text) as { Job: Job }).Job;
}

describe("the job files", () => {
    it("are formatted as nomad formats them", () => nomad("fmt", "-check", folder).then(() => undefined));

    for (const file of files) {
        describe(file, () => {
            let job: Job;
            before(async () => (job = await parse(file)));

            it("is valid as it stands", () =>
                nomad("job", "validate", path.join(folder, file)).then(() => undefined));

            it("checks every service, and says goodbye before it stops", () => {
                for (const group of job.TaskGroups) {
                    const services = group.Services ?? [];
                    assert.ok(services.length > 0, `${group.Name} has no service`);
                    assert.ok(
                        (group.ShutdownDelay ?? 0) >= 0.5 * seconds,
                        `${group.Name} has no shutdown_delay`,
                    );
                    for (const service of services) {
                        assert.ok((service.Checks ?? []).length > 0, `${service.Name} has no check`);
                        for (const check of service.Checks!) {
                            // An interval is also how long a deployment waits for the first result.
                            assert.ok(check.Interval <= 2 * seconds && check.Timeout > 0, service.Name);
                        }
                    }
                }
            });

            it("reverts a change that fails, at the first failure and within a minute", () => {
                assert.equal(job.Update.AutoRevert, true);
                assert.equal(job.Update.ProgressDeadline, 0);
                assert.ok(job.Update.HealthyDeadline <= 60 * seconds);
            });

            it("limits every task, and gives none the machine", () => {
                for (const task of job.TaskGroups.flatMap((group) => group.Tasks)) {
                    assert.ok(task.Resources.CPU > 0 && task.Resources.CPU <= 200, task.Name);
                    assert.ok(task.Resources.MemoryMB > 0 && task.Resources.MemoryMB <= 128, task.Name);
                    assert.notEqual(task.Config.privileged, true);
                }
            });

            it("describes its variables, or is plain about them", () => {
                const text = readFileSync(path.join(folder, file), "utf8");
                for (const [, name, body] of text.matchAll(/^variable "(\w+)" \{\n(.*?)^\}/gms)) {
                    assert.match(body!, /^ {2}type +=/m, `${name} has no type`);
                    assert.match(body!, /^ {2}default +=/m, `${name} has no default`);
                }
            });
        });
    }

    it("start as many canaries as there are instances, as the slots assume", async () => {
        for (const count of [1, 3, 5]) {
            const { TaskGroups, Update } = await parse("demo-webapp.nomad.hcl", { count: String(count) });
            assert.equal(TaskGroups[0]!.Count, count);
            assert.equal(Update.Canary, count);
            assert.equal(Update.AutoPromote, true);
            const needed = count + Update.Canary + Update.MaxParallel;
            assert.equal(slotCount(count, { minimum: true }), needed);
        }
    });

    it("pin what has static ports to a machine only when told to", async () => {
        for (const file of ["haproxy.nomad.hcl", "countdash.nomad.hcl"]) {
            const constraints = async (variables: Record<string, string>) =>
                (await parse(file, variables)).TaskGroups.flatMap((group) => group.Constraints ?? []);
            assert.deepEqual(await constraints({}), []);
            const [pin, ...others] = await constraints({ node: "client-1" });
            assert.deepEqual([pin?.LTarget, pin?.RTarget], ["${node.unique.name}", "client-1"]);
            assert.deepEqual(others, []);
        }
    });
});

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
    Tags: string[] | null;
    CanaryTags: string[] | null;
    Connect: { SidecarService: { Tags: string[] | null } | null } | null;
}
interface Update {
    AutoRevert: boolean;
    AutoPromote: boolean;
    Canary: number;
    MaxParallel: number;
    ProgressDeadline: number;
    HealthyDeadline: number;
    MinHealthyTime: number;
}
interface Group {
    Name: string;
    /** Nomad itself takes one for none. */
    Count: number | null;
    ShutdownDelay: number | null;
    Services: Service[] | null;
    RestartPolicy: { Attempts: number; Delay: number };
    Tasks: {
        Name: string;
        KillTimeout: number | null;
        Config: { image: string; privileged?: boolean };
        Resources: { CPU: number; MemoryMB: number };
    }[];
    Constraints: { LTarget: string; RTarget: string; Operand: string }[] | null;
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

    describe("tag what the balancers follow", () => {
        const services = async (file: string, variables: Record<string, string> = {}) => {
            const { TaskGroups } = await parse(file, variables);
            const all = TaskGroups.flatMap((group) => group.Services ?? []);
            return (name: string): Service => {
                const found = all.find((service) => service.Name === name);
                assert.ok(found, `${file} has no service ${name}`);
                return found;
            };
        };
        const tags = '["routed","tcp=9000"]';

        it("helloworld, canaries included, and not hidden", async () => {
            const service = await services("helloworld.nomad.hcl");
            assert.deepEqual(service("helloworld").Tags, ["routed"]);
            assert.deepEqual(service("helloworld").CanaryTags, ["routed", "canary"]);
            assert.deepEqual(
                [...(service("hidden").Tags ?? []), ...(service("hidden").CanaryTags ?? [])],
                [],
            );
            const other = await services("helloworld.nomad.hcl", { tags });
            assert.deepEqual(other("helloworld").Tags, ["routed", "tcp=9000"]);
            assert.deepEqual(other("hidden").Tags ?? [], []);
        });

        it("demo-webapp only when told to", async () => {
            const plain = await services("demo-webapp.nomad.hcl");
            assert.deepEqual(plain("demo-webapp").Tags, ["web"]);
            assert.deepEqual(plain("demo-webapp").CanaryTags, ["web", "canary"]);
            const routed = await services("demo-webapp.nomad.hcl", { tags });
            assert.deepEqual(routed("demo-webapp").Tags, ["routed", "tcp=9000"]);
            assert.deepEqual(routed("demo-webapp").CanaryTags, ["routed", "tcp=9000", "canary"]);
        });

        it("the dashboard only when told to, and never its sidecar or the API", async () => {
            const sidecar = (service: Service) => service.Connect?.SidecarService?.Tags ?? [];
            const plain = await services("countdash.nomad.hcl");
            const routed = await services("countdash.nomad.hcl", { dashboard_tags: tags });
            assert.deepEqual(plain("count-dashboard").Tags ?? [], []);
            assert.deepEqual(sidecar(plain("count-dashboard")), []);
            assert.deepEqual(routed("count-dashboard").Tags, ["routed", "tcp=9000"]);
            // Consul gives a sidecar without tags those of its service.
            assert.deepEqual(sidecar(routed("count-dashboard")), ["sidecar"]);
            assert.deepEqual(routed("count-api").Tags ?? [], []);
        });
    });

    it("start helloworld's second version beside the first, one instance at a time", async () => {
        const { Update, TaskGroups } = await parse("helloworld.nomad.hcl", { count: "4" });
        assert.deepEqual(
            TaskGroups.map(({ Name, Count }) => [Name, Count ?? 1]),
            [
                ["helloworld", 4],
                ["hidden", 1],
            ],
        );
        assert.deepEqual([Update.Canary, Update.MaxParallel, Update.AutoPromote], [1, 1, true]);
    });

    it("pin what has static ports to a machine only when told to", async () => {
        for (const [file, one] of [
            ["haproxy.nomad.hcl", { nodes: '["client-1"]' }],
            ["countdash.nomad.hcl", { node: "client-1" }],
        ] as const) {
            const constraints = async (variables: Record<string, string>) =>
                (await parse(file, variables)).TaskGroups.flatMap((group) => group.Constraints ?? []);
            assert.deepEqual(await constraints({}), []);
            const [pin, ...others] = await constraints(one);
            assert.deepEqual([pin?.LTarget, pin?.RTarget], ["${node.unique.name}", "client-1"]);
            assert.deepEqual(others, []);
        }
    });

    it("run HAProxy on each of several machines, one after the other, slowly enough for a balancer in front", async () => {
        const second = 1e9;
        const one = await parse("haproxy.nomad.hcl", { nodes: '["client-1"]' });
        assert.deepEqual([one.TaskGroups[0]?.Count, one.Update.MinHealthyTime], [1, second]);
        const two = await parse("haproxy.nomad.hcl", {
            nodes: '["client-1", "client-2"]',
            proxy_sources: '["192.168.255.0/24"]',
        });
        assert.deepEqual(
            [two.TaskGroups[0]?.Count, two.Update.MaxParallel, two.Update.MinHealthyTime],
            [2, 1, 10 * second],
        );
        assert.deepEqual(
            two.TaskGroups[0]?.Constraints?.map(({ LTarget, RTarget, Operand }) => [
                LTarget,
                Operand,
                RTarget,
            ]),
            [
                ["${node.unique.name}", "set_contains_any", "client-1,client-2"],
                ["", "distinct_hosts", "true"],
            ],
        );
    });
});

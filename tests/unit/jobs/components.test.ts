import * as assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";

import { CountDash } from "../../../components/jobs/countdash";
import { HelloWorld } from "../../../components/jobs/helloworld";
import { WebApp } from "../../../components/jobs/webapp";

interface JobInputs {
    jobspec: string;
    detach: boolean;
    purgeOnDestroy: boolean;
    hcl2: { vars: Record<string, string> };
}

/** What the components ask Nomad for: a variable that is left out keeps the default of the job's file. */
describe("the job components", () => {
    let jobs: Map<string, JobInputs>;
    before(async () => {
        jobs = new Map();
        await pulumi.runtime.setMocks({
            newResource: ({ type, name, inputs }) => {
                if (type === "nomad:index/job:Job") {
                    jobs.set(name, inputs as JobInputs);
                }
                return { id: name, state: inputs };
            },
            call: ({ inputs }) => inputs,
        });
    });

    async function inputsOf(component: { job: pulumi.Resource }, name: string): Promise<JobInputs> {
        const { urn } = component.job;
        await new Promise((resolve) => urn.apply(resolve));
        const inputs = jobs.get(`${name}-job`);
        assert.ok(inputs, `${name} registers no job`);
        return inputs;
    }

    const datacenters = ["dc1"];
    const webapp = { datacenters, image: "hello", count: 3, message: "you" };
    const images = { apiImage: "api", dashboardImage: "dashboard", sidecarImage: "envoy" };

    it("route helloworld unless told otherwise, and wait for it", async () => {
        const job = await inputsOf(
            new HelloWorld("helloworld", { datacenters, image: "hello@sha256:1" }),
            "helloworld",
        );
        assert.deepEqual(job.hcl2.vars, {
            datacenters: '["dc1"]',
            image: "hello@sha256:1",
            count: "2",
            tags: '["routed"]',
        });
        assert.match(job.jobspec, /^job "helloworld" \{$/m);
        assert.deepEqual([job.detach, job.purgeOnDestroy], [false, true]);
        const other = new HelloWorld("other", { datacenters, image: "hello", count: 5, tags: [] });
        const { vars } = (await inputsOf(other, "other")).hcl2;
        assert.deepEqual([vars["count"], vars["tags"]], ["5", "[]"]);
    });

    it("leave the tags of the web application and of the dashboard to their files unless told otherwise", async () => {
        const plain = [
            await inputsOf(new WebApp("webapp", webapp), "webapp"),
            await inputsOf(new CountDash("countdash", { datacenters, ...images }), "countdash"),
        ];
        for (const { hcl2 } of plain) {
            assert.deepEqual(
                Object.keys(hcl2.vars).filter((name) => name.includes("tags")),
                [],
            );
        }
    });

    it("route them where they are told to", async () => {
        const tags = ["routed"];
        const app = await inputsOf(new WebApp("routed-webapp", { ...webapp, tags }), "routed-webapp");
        assert.equal(app.hcl2.vars["tags"], '["routed"]');
        const dash = new CountDash("routed-dash", { datacenters, ...images, dashboardTags: tags });
        const { vars } = (await inputsOf(dash, "routed-dash")).hcl2;
        assert.equal(vars["dashboard_tags"], '["routed"]');
    });
});

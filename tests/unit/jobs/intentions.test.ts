import * as assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";

import { intention, type IntentionArgs } from "../../../components/jobs/intentions";
import { type Agent, startConsul } from "../../support/agents";

/** What Consul itself makes of the entries: they have to come back as they were written. */
describe("intentions", function () {
    this.timeout("1m");
    let consul: Agent;
    before(async () => {
        consul = await startConsul();
        await pulumi.runtime.setMocks({
            newResource: ({ name, inputs }) => ({ id: name, state: inputs }),
            call: ({ inputs }) => inputs,
        });
    });
    after(() => consul?.stop());

    const cases: IntentionArgs[] = [
        { source: "*", destination: "*", action: "deny" },
        { source: "count-dashboard", destination: "*", action: "deny" },
        { source: "*", destination: "count-api", action: "deny" },
        { source: "count-dashboard", destination: "count-api", action: "allow" },
    ];
    for (const args of cases) {
        it(`${args.action} ${args.source} → ${args.destination}: Consul adds nothing to it`, async () => {
            const entry = intention("rule", args, {});
            const configuration = await new Promise<string>((resolve) =>
                entry.configJson.apply((json) => resolve(json!)),
            );
            const written = JSON.parse(configuration) as { Sources: unknown[] };
            const body = JSON.stringify({ Kind: "service-intentions", Name: args.destination, ...written });
            const put = await fetch(`${consul.address}/v1/config`, { method: "PUT", body });
            assert.equal(put.status, 200, await put.text());
            const path = `/v1/config/service-intentions/${encodeURIComponent(args.destination)}`;
            const stored = (await (await fetch(consul.address + path)).json()) as { Sources: unknown[] };
            assert.deepEqual(stored.Sources, written.Sources);
            await fetch(consul.address + path, { method: "DELETE" });
        });
    }
});

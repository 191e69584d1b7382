import * as assert from "node:assert/strict";

import { docker } from "../tests/support/docker";
import { request } from "../tests/support/http";
import { eventually } from "../tests/support/poll";
import { places, Stack, type Outputs } from "../tests/support/stack";
import type { Lab } from "./lifecycle";

/** A lab whose parts are plain containers: `sticky` or `template`, with its default settings. */
export class ContainerLab implements Lab {
    readonly stack: Stack;
    private current: Outputs | undefined;

    constructor(name: "bench-sticky" | "bench-template") {
        this.stack = new Stack(name, places[name]);
    }

    async up(): Promise<{ seconds: number }> {
        const result = await this.stack.up();
        this.current = await this.stack.outputs();
        return result;
    }

    url(name: string): string {
        const url = this.current?.urls[name];
        assert.ok(url, `there is no urls.${name} among the outputs`);
        return url.replace(/\/(ui\/?)?$/, "");
    }

    /** Waits until so many instances answer. */
    answers(instances: number): Promise<void> {
        return eventually(`${instances} instances answer`, async () => {
            const seen = new Set<string>();
            for (let n = 0; n < instances * 3; n += 1) {
                const { status, headers } = await request(this.url("webapp"));
                assert.equal(status, 200);
                seen.add(String(headers["x-instance"]));
            }
            assert.equal(seen.size, instances, `answers came from ${[...seen].join(", ")}`);
        });
    }

    /** The image that one of the lab's containers runs. */
    async imageOf(name: string): Promise<string> {
        return (await docker("inspect", "--format", "{{.Image}}", this.stack.object(name))).trim();
    }

    /** The lab's network, and the address of one of its containers there. */
    async placeOf(name: string): Promise<{ network: string; address: string }> {
        const format =
            "{{range $name, $at := .NetworkSettings.Networks}}{{$name}} {{$at.IPAddress}}\n{{end}}";
        const text = await docker("inspect", "--format", format, this.stack.object(name));
        const [network = "", address = ""] = text.trim().split("\n")[0]?.split(" ") ?? [];
        return { network, address };
    }
}

/* eslint-disable @typescript-eslint/no-explicit-any -- answers of an agent's API are looked into as they come */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";

import { nomadProvider } from "../../../../plugins/nomad/provider";
import { startNomad, type Agent } from "../../../support/agents";
import { eventually } from "../../../support/poll";
import { initFailureOf, ProviderHarness, type InitFailure } from "../../../support/provider-harness";
import { Resources, type Made } from "../resources";

import type { Values } from "../../../../plugins/lib";

export const type = "nomad:index/job:Job";

export interface Shape {
    id: string;
    count?: number;
    command?: string;
    revert?: boolean;
    comment?: string;
    /** How long it has to run until it is healthy. Default: a moment, or, where it ends by itself, some seconds. */
    healthyAfter?: string;
}

/** A job that is healthy as soon as it runs, and that fails for good with its first failure. */
export function spec(shape: Shape): string {
    const { id, count = 1, command = "sleep 3600", revert = true, comment = "" } = shape;
    // On a busy machine the end of one that fails at once is seen later than a moment after its start.
    const { healthyAfter = command.startsWith("exit") ? "5s" : "200ms" } = shape;
    return `# ${comment}
variable "message" {
  type    = string
  default = "hello"
}
job "${id}" {
  type = "service"
  group "web" {
    count = ${count}
    restart {
      attempts = 0
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }
    update {
      max_parallel      = 5
      canary            = ${revert ? count : 0}
      auto_promote      = ${revert}
      auto_revert       = ${revert}
      min_healthy_time  = "${healthyAfter}"
      healthy_deadline  = "60s"
      progress_deadline = "90s"
    }
    task "main" {
      driver       = "raw_exec"
      kill_timeout = "200ms"
      config {
        command = "/bin/sh"
        args    = ["-c", "${command}"]
      }
      env {
        MESSAGE = var.message
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
`;
}

/** An agent, and what the tests of jobs do on it. */
export class Jobs {
    private constructor(
        readonly agent: Agent,
        readonly provider: ProviderHarness,
    ) {}

    static async start(): Promise<Jobs> {
        const agent = await startNomad();
        return new Jobs(agent, await ProviderHarness.start(nomadProvider, { address: agent.address }));
    }

    async stop(): Promise<void> {
        this.provider.close();
        await this.agent.stop();
    }

    async ask(path: string): Promise<any> {
        return (await fetch(this.agent.address + path)).json();
    }

    checked(args: Values): Promise<Values> {
        return new Resources(this.provider, type).checked(args);
    }

    /** The engine's order of calls: check, then create. */
    async create(args: Values, options?: { timeout?: number }): Promise<Made> {
        const inputs = await this.checked(args);
        return { inputs, ...(await this.provider.create(type, inputs, options)) };
    }

    async watched(id: string): Promise<void> {
        await eventually(`the deployment of ${id} is under way`, async () => {
            const deployment = await this.ask(`/v1/job/${id}/deployment`);
            assert.equal(deployment?.TaskGroups.web.PlacedAllocs, 1);
        });
    }

    async remove(id: string, state: Values): Promise<void> {
        await this.provider.delete(type, id, { ...state, purgeOnDestroy: true });
        await eventually(`${id} is gone`, async () => {
            const { status } = await fetch(`${this.agent.address}/v1/job/${id}`);
            assert.equal(status, 404);
        });
    }
}

export async function failing(operation: Promise<unknown>): Promise<InitFailure> {
    const error = await operation.then(
        () => assert.fail("should have failed"),
        (reason: unknown) => reason,
    );
    const failure = initFailureOf(error);
    assert.ok(failure, `not a partial failure: ${String(error)}`);
    return failure;
}

/** Zombies, which wait for their parent, do not count. */
export function processes(command: string): number {
    const { stdout } = spawnSync("pgrep", ["-x", "-f", "-r", "R,S,D", command], { encoding: "utf8" });
    return stdout.split("\n").filter((line) => line !== "").length;
}

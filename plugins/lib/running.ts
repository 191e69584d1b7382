import { silentLog, type EngineLog } from "./engine-log";
import { secretNames } from "./operations";
import { Cancelled, type Context } from "./resource";

import type { Properties } from "./schema";
import type { Secrets } from "./values";

/** One call of the engine that a resource's own code works on. */
export interface Operation {
    urn: string;
    type: string;
    name: string;
    preview?: boolean;
    /** Seconds; 0 for none. */
    timeout?: number;
    secrets: Secrets;
    /** The resource's inputs in the schema, to tell which of them are secret. */
    inputs: Properties;
}

/** The operations under way: gives each its context, and ends them when the user cancels or their time is up. */
export class Operations<Client> {
    private readonly running = new Map<AbortController, Promise<unknown>>();

    run<Result>(
        operation: Operation,
        client: Client,
        log: EngineLog | undefined,
        work: (context: Context<Client>) => Promise<Result>,
    ): Promise<Result> {
        const controller = new AbortController();
        const result = this.follow(operation, client, log, controller, work).finally(() =>
            this.running.delete(controller),
        );
        this.running.set(
            controller,
            result.catch(() => {}),
        );
        return result;
    }

    cancel(reason: Error = new Cancelled("the operation")): void {
        for (const controller of this.running.keys()) {
            controller.abort(reason);
        }
    }

    async idle(): Promise<void> {
        await Promise.all(this.running.values());
    }

    private async follow<Result>(
        operation: Operation,
        client: Client,
        log: EngineLog | undefined,
        controller: AbortController,
        work: (context: Context<Client>) => Promise<Result>,
    ): Promise<Result> {
        const timeout = operation.timeout ? operation.timeout * 1000 : undefined;
        const expire = (): void => {
            const limit = `the custom timeout of ${operation.timeout} s has passed`;
            controller.abort(new Error(`${operation.name}: ${limit}`));
        };
        const timer = timeout === undefined ? undefined : setTimeout(expire, timeout);
        try {
            return await work({
                client,
                urn: operation.urn,
                name: operation.name,
                preview: operation.preview ?? false,
                signal: controller.signal,
                timeout,
                secretInputs: secretNames(operation.secrets, operation.inputs),
                log: log?.forResource(operation.urn) ?? silentLog,
            });
        } catch (error) {
            // What breaks off because of the abort often says less than the reason for it.
            const aborted =
                controller.signal.aborted && error instanceof Error && error.name === "AbortError";
            throw aborted ? controller.signal.reason : error;
        } finally {
            clearTimeout(timer);
            await log?.flush();
        }
    }
}

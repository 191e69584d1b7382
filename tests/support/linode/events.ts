import type { Entity, Event, EventAction } from "@linode/api-v4";

import { timestamp, type Clock } from "./clock";
import { Collection, listOf, type ListRequest } from "./collection";
import type { Faults } from "./faults";
import type { Page } from "./page";

/** Work that an event stands for. */
export interface Work {
    action: EventAction;
    entity: Entity;
    secondary?: Entity;
    /** How long it takes in real life. */
    seconds: number;
    /** What really happens meanwhile. When it throws, the event fails. */
    run?: () => Promise<void>;
    finished?: () => void;
    failed?: (reason: string) => void;
}

/** Seconds for which an event is only scheduled. */
const queueSeconds = 1;

const filterable = [
    "id",
    "action",
    "created",
    "entity.id",
    "entity.label",
    "entity.type",
    "read",
    "seen",
    "status",
    "username",
];

/** The account's events. They outlive what they tell of. */
export class Events {
    private readonly events = new Collection<Event>({
        firstId: 603_800_001,
        filterable,
    });
    /** When the ones under way started, in milliseconds of this process, and how long they take. */
    private readonly running = new Map<number, { since: number; milliseconds: number }>();

    constructor(
        private readonly clock: Clock,
        private readonly faults: Faults,
    ) {}

    /** Something that happened at once. */
    notify(action: EventAction, entity: Entity): Event {
        return this.events.add(this.make(action, entity, { status: "notification" }));
    }

    /** Something that takes its time: scheduled, then started, then finished or failed. */
    start(work: Work): Event {
        const event = this.events.add(
            this.make(work.action, work.entity, { secondary: work.secondary, status: "scheduled" }),
        );
        const failure = this.faults.takeEvent(work.action, work.entity.label)
            ? "The job failed on its host"
            : undefined;
        const queued = Math.min(queueSeconds, work.seconds / 2);
        this.clock.after(queued, () => {
            event.status = "started";
            event.start_time = timestamp();
            const seconds = work.seconds - queued;
            this.running.set(event.id, {
                since: performance.now(),
                milliseconds: this.clock.scaled(seconds) * 1000,
            });
            const done = failure === undefined ? (work.run?.() ?? Promise.resolve()) : Promise.resolve();
            void Promise.allSettled([done, this.clock.delay(seconds)]).then(([outcome]) => {
                const reason =
                    failure ?? (outcome.status === "rejected" ? String(outcome.reason) : undefined);
                this.end(event, reason === undefined ? "finished" : "failed", work.seconds, reason);
                if (reason === undefined) {
                    work.finished?.();
                } else {
                    work.failed?.(reason);
                }
            });
        });
        return event;
    }

    get(id: string | number): Event {
        return this.view(this.events.get(id));
    }

    /** The newest first, unless the request orders them otherwise. */
    list(request: ListRequest): Page<Event> {
        const newestFirst = this.events.all().reverse();
        return listOf(
            newestFirst.map((event) => this.view(event)),
            request,
            filterable,
        );
    }

    mark(id: string, what: "seen" | "read"): void {
        const event = this.events.get(id);
        for (const one of what === "seen" ? this.events.all().filter((e) => e.id <= event.id) : [event]) {
            one[what] = true;
        }
    }

    all(): Event[] {
        return this.events.all();
    }

    private make(
        action: EventAction,
        entity: Entity,
        { status, secondary }: { status: Event["status"]; secondary?: Entity },
    ): Event {
        return {
            id: this.events.newId(),
            action,
            created: timestamp(),
            duration: status === "notification" ? 0 : null,
            entity,
            message: "",
            percent_complete: status === "notification" ? 100 : 0,
            rate: null,
            read: false,
            secondary_entity: secondary ?? null,
            seen: false,
            status,
            time_remaining: null,
            username: "emulator",
        };
    }

    private end(event: Event, status: "finished" | "failed", seconds: number, reason?: string): void {
        this.running.delete(event.id);
        event.status = status;
        event.percent_complete = 100;
        event.duration = seconds;
        event.complete_time = timestamp();
        event.message = reason ?? "";
    }

    private view(event: Event): Event {
        const progress = this.running.get(event.id);
        if (!progress) {
            return event;
        }
        const share = (performance.now() - progress.since) / Math.max(1, progress.milliseconds);
        return { ...event, percent_complete: Math.min(99, Math.floor(share * 100)) };
    }
}

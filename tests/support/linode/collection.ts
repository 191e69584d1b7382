import { invalid, notFound } from "./errors";
import { parseFilter } from "./filter";
import { paginate, type Page } from "./page";

/** The part of a request that lists read. */
export interface ListRequest {
    query: unknown;
    headers: Record<string, string | string[] | undefined>;
}

export interface CollectionOptions {
    /** Fields that `X-Filter` may name. */
    filterable: readonly string[];
    /** The first id. The real ids' size differs by kind, which shows when one is taken for another. */
    firstId: number;
    /** "Label must be unique among your <this>". Without it labels may repeat. */
    unique?: string;
}

/** Things of one kind, by id, in the order in which they were made. */
export class Collection<T extends { id: number }> {
    private readonly items = new Map<number, T>();
    private next: number;

    constructor(private readonly options: CollectionOptions) {
        this.next = options.firstId;
    }

    /** An id that was never given before and never will be again. */
    newId(): number {
        const id = this.next;
        this.next += 1;
        return id;
    }

    add<U extends T>(item: U): U {
        this.items.set(item.id, item);
        return item;
    }

    find(id: number): T | undefined {
        return this.items.get(id);
    }

    /** The thing, or the API's 404. */
    get(id: number | string): T {
        const item = this.items.get(Number(id));
        if (!item) {
            throw notFound();
        }
        return item;
    }

    remove(id: number): void {
        this.items.delete(id);
    }

    all(): T[] {
        return [...this.items.values()];
    }

    get size(): number {
        return this.items.size;
    }

    /** Refuses a label that another thing of this kind has. */
    requireUnique(label: string, except?: number): void {
        const { unique } = this.options;
        const taken = this.all().some(
            (item) => "label" in item && item.label === label && item.id !== except,
        );
        if (unique !== undefined && taken) {
            throw invalid("label", `Label must be unique among your ${unique}`);
        }
    }

    /** A page of what `view` shows of them, of all or of the ones that `belongs` picks. */
    list<View extends object>(
        request: ListRequest,
        view: (item: T) => View,
        belongs: (item: T) => boolean = () => true,
    ): Page<View> {
        return listOf(this.all().filter(belongs).map(view), request, this.options.filterable);
    }
}

/** A filtered, sorted page of anything. */
export function listOf<View extends object>(
    items: View[],
    { query, headers }: ListRequest,
    filterable: readonly string[],
): Page<View> {
    const header = headers["x-filter"];
    const filter = parseFilter(Array.isArray(header) ? header[0] : header, filterable);
    return paginate(
        filter.sort(items.filter((item) => filter.matches(item))),
        query as Record<string, string | undefined>,
    );
}

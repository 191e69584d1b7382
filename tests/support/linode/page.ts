import { invalid } from "./errors";

/** A list as the API answers it. */
export interface Page<T> {
    data: T[];
    page: number;
    pages: number;
    results: number;
}

const defaultSize = 100;
const smallest = 25;
const largest = 500;

/**
 * One page of `items`.
 *
 * @param query `page` from 1 and `page_size` from 25 to 500; anything else is refused with the API's own words.
 */
export function paginate<T>(items: readonly T[], query: Record<string, string | undefined>): Page<T> {
    const size = wholeNumber(query.page_size, defaultSize);
    if (size === undefined || size < smallest || size > largest) {
        throw invalid("page_size", `Must be ${smallest}-${largest}`);
    }
    const pages = Math.max(1, Math.ceil(items.length / size));
    const page = wholeNumber(query.page, 1);
    if (page === undefined || page < 1 || page > pages) {
        throw invalid("page", `Must be 1-${pages}`);
    }
    return { data: items.slice((page - 1) * size, page * size), page, pages, results: items.length };
}

function wholeNumber(text: string | undefined, fallback: number): number | undefined {
    if (text === undefined) {
        return fallback;
    }
    return /^\d+$/.test(text) ? Number(text) : undefined;
}

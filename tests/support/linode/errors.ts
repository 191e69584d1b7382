/** One entry of the API's error list. `field` is absent when the problem is not about one field of the request. */
export interface ErrorEntry {
    reason: string;
    field?: string;
}

/** What the API answers instead of a resource: `{"errors": [...]}` with a status. */
export class ApiError extends Error {
    readonly entries: ErrorEntry[];
    readonly headers: Record<string, string>;

    constructor(
        readonly status: number,
        entries: ErrorEntry | ErrorEntry[],
        headers: Record<string, string> = {},
    ) {
        const list = Array.isArray(entries) ? entries : [entries];
        super(list.map(({ reason, field }) => (field ? `${field}: ${reason}` : reason)).join("; "));
        this.entries = list;
        this.headers = headers;
    }
}

/** A value that the API refuses: status 400, with the field's name. */
export function invalid(field: string, reason: string): ApiError {
    return new ApiError(400, { reason, field });
}

export function notFound(): ApiError {
    return new ApiError(404, { reason: "Not found" });
}

/** Another job of the instance is under way. The official client tries again on exactly this text. */
export function busy(): ApiError {
    return new ApiError(400, { reason: "Linode busy." });
}

export function accountLimit(): ApiError {
    return new ApiError(400, { reason: "Account Limit reached. Please open a support ticket." });
}

/** The plan is sold out in the region. The API answers 403 here, not 400. */
export function noCapacity(): ApiError {
    return new ApiError(403, {
        reason:
            "The Linode plan you chose is not currently available in the selected region. " +
            "Please select another region or plan type, or contact Support for assistance.",
    });
}

/** Throws all complaints at once, as the API reports them. */
export function refuse(entries: ErrorEntry[]): void {
    if (entries.length > 0) {
        throw new ApiError(400, entries);
    }
}

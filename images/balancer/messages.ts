/** One plain line on standard output. */
export function log(line: string): void {
    console.log(`balancer: ${line}`);
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
    return error instanceof Error ? error.message : String(error);
}

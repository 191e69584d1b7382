import { object, set, string, type PropertyOptions } from "../lib";
import type { Property } from "../lib";

export interface Label {
    label: string;
    value: string;
}

export const labels = (options: PropertyOptions = {}): Property =>
    set(object({ label: string({ required: true }), value: string({ required: true }) }), options);

export function toMap(list: Label[] | undefined): Record<string, string> {
    return Object.fromEntries((list ?? []).map(({ label, value }) => [label, value]));
}

export function fromMap(map: Record<string, string> | null | undefined): Label[] {
    return Object.entries(map ?? {})
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([label, value]) => ({ label, value }));
}

/** Whether an object carries every label that the program gives its own: then an earlier run of it has made the object. */
export function carries(
    actual: Record<string, string> | null | undefined,
    wanted: Label[] | undefined,
): boolean {
    return (wanted ?? []).length > 0 && (wanted ?? []).every(({ label, value }) => actual?.[label] === value);
}

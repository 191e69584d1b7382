import type { Ingress, Machine } from "./machine";

/**
 * The ingress of a substrate that has nothing in front of its machines: the first one takes all requests.
 *
 * @throws when there is no machine.
 */
export function firstOf(machines: readonly Machine[]): Ingress {
    const [first] = machines;
    if (first === undefined) {
        throw new Error("An ingress needs at least one machine.");
    }
    return { machines: [first], endpoint: (port) => first.endpoint(port), proxySources: [] };
}

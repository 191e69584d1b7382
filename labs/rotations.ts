import { z } from "zod";

import { authorityProblem, authorityStep } from "../components/security/ca-rotation";
import type { Problem } from "../config-errors";
import { routedNodes, type RoutedSettings } from "../settings/routed";

/** What the last complete update has left of what rotates step by step, as the output `cluster` says. */
export const rotationsSummary = z.object({
    /** The generation of tokens that is in use. */
    tokens: z.int(),
    authorities: z.object({ signing: z.int(), trusted: z.array(z.int()).min(1) }),
    /** The names of all nodes. */
    nodes: z.array(z.string()),
});
export type Rotations = z.output<typeof rotationsSummary>;

/** Undefined if there is no cluster yet; null if the last update was of a version of the lab that did not say. */
export type LastRotations = Rotations | null | undefined;

/** What there was before an output said so: the first generations, of whatever nodes. */
const first: Rotations = { tokens: 1, authorities: { signing: 1, trusted: [1] }, nodes: [] };

/** What an update with these settings leaves, and what it has to tell people of the next one. Pure. */
export function nextRotations(
    last: LastRotations,
    settings: RoutedSettings,
): { rotations: Rotations; said?: string } {
    const { caRotation } = settings.certificates;
    const { said, ...authorities } = authorityStep((last ?? before(last))?.authorities, caRotation);
    return {
        rotations: {
            tokens: settings.tokens.rotation,
            authorities,
            nodes: routedNodes(settings).map(({ name }) => name),
        },
        said,
    };
}

/** What cannot be rotated so in one update, with the way to do it. Pure. */
export function rotationProblems(last: LastRotations, settings: RoutedSettings): Problem[] {
    const known = last ?? before(last);
    if (known === undefined) {
        return [];
    }
    const authority = authorityProblem(known.authorities, settings.certificates.caRotation);
    return [
        ...(authority === undefined ? [] : [{ path: "certificates.caRotation", message: authority }]),
        ...tokenProblems(known, settings),
    ];
}

function before(last: null | undefined): Rotations | undefined {
    return last === null ? first : undefined;
}

/** Consul knows the tokens in use and the next ones. */
function tokenProblems(last: Rotations, settings: RoutedSettings): Problem[] {
    const path = "tokens.rotation";
    const { rotation } = settings.tokens;
    if (rotation === last.tokens) {
        return [];
    }
    const next = last.tokens + 1;
    if (rotation < last.tokens) {
        const message = `is ${rotation}, but the tokens of ${last.tokens} are in use, and what was before them is no more; set it to ${last.tokens}, or to ${next} for new ones`;
        return [{ path, message }];
    }
    if (rotation > next) {
        const message = `is ${rotation}, but Consul knows the tokens of ${last.tokens} and ${next} alone, so nobody would be let in for a while; go one by one, each with an up, ${next} first`;
        return [{ path, message }];
    }
    const names = routedNodes(settings).map(({ name }) => name);
    const gone = last.nodes.filter((name) => !names.includes(name));
    if (gone.length > 0) {
        const message = `is raised while ${gone.join(", ")} is to be removed, which takes its leave with its old tokens; first an up without it (${last.tokens}), then raise it`;
        return [{ path, message }];
    }
    return [];
}

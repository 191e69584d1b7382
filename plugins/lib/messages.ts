import * as proto from "@pulumi/pulumi/proto/provider_pb";

import type { Failure } from "./check";
import type { Change } from "./diff";

/** Type and name travel beside the URN in newer engines and inside it in older ones. */
export function identify(request: { getUrn(): string; getType(): string; getName(): string }): {
    type: string;
    name: string;
} {
    const parts = request.getUrn().split("::");
    const type = request.getType() || (parts[2]?.split("$").pop() ?? "");
    return { type, name: request.getName() || parts.slice(3).join("::") };
}

/** The property that a path such as `ports[0].external` begins with. */
export function topLevel(path: string): string {
    return path.split(/[.[]/, 1)[0] ?? path;
}

export function checkFailure(failure: Failure): proto.CheckFailure {
    return new proto.CheckFailure().setProperty(failure.property).setReason(failure.reason);
}

export function diffResponse(changes: Change[], deleteBeforeReplace: boolean): proto.DiffResponse {
    const { Kind } = proto.PropertyDiff;
    const kinds = {
        add: [Kind.ADD, Kind.ADD_REPLACE],
        delete: [Kind.DELETE, Kind.DELETE_REPLACE],
        update: [Kind.UPDATE, Kind.UPDATE_REPLACE],
    } as const;
    const response = new proto.DiffResponse();
    const { DIFF_NONE, DIFF_SOME } = proto.DiffResponse.DiffChanges;
    response.setChanges(changes.length > 0 ? DIFF_SOME : DIFF_NONE);
    response.setHasdetaileddiff(true);
    const replaces = changes.filter((change) => change.replace);
    // The engine's one-line summaries know properties by their first name only.
    response.setReplacesList([...new Set(replaces.map((change) => topLevel(change.path)))]);
    response.setDiffsList([...new Set(changes.map((change) => topLevel(change.path)))]);
    response.setDeletebeforereplace(replaces.length > 0 && deleteBeforeReplace);
    for (const change of changes) {
        const kind = kinds[change.kind][change.replace ? 1 : 0];
        response
            .getDetaileddiffMap()
            .set(change.path, new proto.PropertyDiff().setKind(kind).setInputdiff(true));
    }
    return response;
}

import * as assert from "node:assert/strict";

import { type Registered, secretsIn } from "../support/mocks";

/** Names of resources: each of the names with each of the suffixes. */
export function ofEach(names: string[], ...suffixes: string[]): string[] {
    return names.flatMap((name) => suffixes.map((suffix) => `${name}-${suffix}`));
}

/** Every secret among a resource's inputs is marked as one, or is a part of what is. */
export function assertSecretsMarked({ urn, inputs, secretInputs }: Registered): void {
    for (const path of secretsIn(inputs)) {
        assert.ok(
            secretInputs.some((secret) => path === secret || path.startsWith(`${secret}.`)),
            `${urn}: ${path} holds a secret openly`,
        );
    }
}

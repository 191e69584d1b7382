import * as assert from "node:assert/strict";

import { type Registered, type Run, secretsIn } from "../support/mocks";

/** Names of resources: each of the names with each of the suffixes. */
export function ofEach(names: string[], ...suffixes: string[]): string[] {
    return names.flatMap((name) => suffixes.map((suffix) => `${name}-${suffix}`));
}

/** Types with the names of each, as {@link registered} lists them. */
export function listed(resources: Record<string, string[]>): string[] {
    return Object.entries(resources).flatMap(([type, names]) => names.map((name) => `${type} ${name}`));
}

export function ofType(run: Run, type: string): Registered[] {
    return run.resources.filter((resource) => resource.type === type);
}

export function named(run: Run, type: string, name: string): Registered {
    const found = ofType(run, type).find((resource) => resource.name === name);
    assert.ok(found, `there is no ${type} named ${name}`);
    return found;
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

import * as pulumi from "@pulumi/pulumi";

/** An argument that cannot be used, and what it would have to be. */
export interface ArgumentProblem {
    propertyPath: string;
    reason: string;
}

/**
 * Throws one error that names every problem, or nothing if there is none.
 *
 * @param owner whose arguments they are, e.g. `the certificate server-1`.
 * @throws pulumi.InputPropertiesError
 */
export function refuseArguments(owner: string, problems: readonly ArgumentProblem[]): void {
    if (problems.length > 0) {
        const lines = problems.map(({ propertyPath, reason }) => `  ${propertyPath}: ${reason}`);
        throw new pulumi.InputPropertiesError({
            message: [`Wrong arguments of ${owner}:`, ...lines].join("\n"),
            errors: [...problems],
        });
    }
}

/** What is wrong with a number that counts from 1 up, if anything. */
export function countProblem(propertyPath: string, value: number): ArgumentProblem[] {
    return Number.isSafeInteger(value) && value >= 1
        ? []
        : [{ propertyPath, reason: `must be a whole number from 1 up, but is ${value}` }];
}

/** What is wrong with a text that must not be empty, if anything. */
export function emptinessProblem(propertyPath: string, value: string): ArgumentProblem[] {
    return value.trim() === "" ? [{ propertyPath, reason: "must not be empty" }] : [];
}

import { distance } from "fastest-levenshtein";
import type { z } from "zod";

/** Settings whose values no message may show. */
const secretSettings = ["certificate.provided", "certificate.externalAccount.hmacKey", "registry.password"];

/** One thing that is wrong with the stack's settings. */
export interface Problem {
    /** The setting below `gatehouse:`, e.g. `webapp.count`; with its namespace where that is another's: `linode:token`. */
    path: string;
    /** What is wrong and what to do. */
    message: string;
}

/** The error that a user sees: every problem with the setting's name. */
export function formatProblems(problems: Problem[]): string {
    const lines = problems.map(
        ({ path, message }) => `  ${path.includes(":") ? path : `gatehouse:${path}`}: ${message}`,
    );
    const count = problems.length === 1 ? "a setting" : `${problems.length} settings`;
    return [
        `The stack's configuration has ${count} to correct; nothing was changed:`,
        ...lines,
        "Change a setting with: pulumi config set --path gatehouse:<setting> <value>   (all settings: README.md)",
    ].join("\n");
}

/** Turns one of zod's issues into problems with a remedy. */
export function explainIssue(issue: z.core.$ZodIssue, values: unknown): Problem[] {
    const path = issue.path.join(".");
    const value = issue.path.reduce<unknown>((inner, key) => get(inner, key), values);
    const secret = secretSettings.some((setting) => setting === path || setting.startsWith(`${path}.`));
    const found = secret && value !== undefined ? "a value that is not shown" : show(value);
    switch (issue.code) {
        case "unrecognized_keys":
            return issue.keys.map((key) => ({
                path: path === "" ? key : `${path}.${key}`,
                message: "unknown setting; remove it or correct its name",
            }));
        case "invalid_key":
            return issue.issues.map((each) => ({ path, message: `the name ${each.message}` }));
        case "invalid_value":
            return [{ path, message: `unknown value ${found}; use ${issue.values.map(String).join(", ")}` }];
        case "invalid_type":
            return [{ path, message: `must be ${article(issue.expected)}, but is ${found}` }];
        case "too_small":
        case "too_big":
            return [{ path, message: `${range(issue)}, but is ${found}` }];
        default:
            return [{ path, message: `${issue.message}, but is ${found}` }];
    }
}

/** "; did you mean X?" when a known name is a few letters away, else the known names. */
export function nearest(name: string, known: string[]): string {
    const ranked = known.map((candidate) => ({ candidate, edits: distance(name, candidate) }));
    ranked.sort((a, b) => a.edits - b.edits);
    const best = ranked[0];
    return best !== undefined && best.edits <= 2
        ? `; did you mean gatehouse:${best.candidate}?`
        : `; known are ${known.join(", ")}`;
}

function range(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
    if (issue.message.startsWith("must")) {
        return issue.message;
    }
    return issue.code === "too_small"
        ? `must be at least ${issue.minimum}`
        : `must be at most ${issue.maximum}`;
}

function article(expected: string): string {
    const words: Record<string, string> = {
        int: "a whole number",
        number: "a number",
        string: "a string",
        object: "an object",
    };
    return words[expected] ?? expected;
}

function get(value: unknown, key: PropertyKey): unknown {
    return typeof value === "object" && value !== null
        ? (value as Record<PropertyKey, unknown>)[key]
        : undefined;
}

function show(value: unknown): string {
    return value === undefined ? "missing" : JSON.stringify(value);
}

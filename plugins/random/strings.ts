import { boolean, integer, map, resource, string, UNKNOWN } from "../lib";
import { randomString, type StringArgs } from "./generate";

import type { Failure, ReadResult } from "../lib";

interface Inputs extends StringArgs {
    keepers?: Record<string, string>;
    /** The old name of `numeric`. */
    number: boolean;
}

const counts = ["minUpper", "minLower", "minNumeric", "minSpecial"] as const;

const inputs = {
    length: integer({ required: true, replace: true, validate: (length: number) => atLeast(1, length) }),
    upper: boolean({ default: true, replace: true }),
    lower: boolean({ default: true, replace: true }),
    numeric: boolean({ computed: true, replace: true }),
    number: boolean({ computed: true, replace: true }),
    special: boolean({ default: true, replace: true }),
    minUpper: integer({ default: 0, replace: true, validate: (count: number) => atLeast(0, count) }),
    minLower: integer({ default: 0, replace: true, validate: (count: number) => atLeast(0, count) }),
    minNumeric: integer({ default: 0, replace: true, validate: (count: number) => atLeast(0, count) }),
    minSpecial: integer({ default: 0, replace: true, validate: (count: number) => atLeast(0, count) }),
    overrideSpecial: string({ replace: true }),
    keepers: map(string(), { replace: true }),
};

/** `number` is the old name: either sets both, and without them digits are allowed. */
function digits(args: Partial<Inputs>): boolean {
    return args.numeric ?? args.number ?? true;
}

function atLeast(least: number, value: number): string | undefined {
    return value < least ? `must be at least ${least}` : undefined;
}

function check(_context: unknown, args: Partial<Inputs>): Failure[] {
    const failures: Failure[] = [];
    const known = (name: keyof Inputs): boolean => (args[name] as unknown) !== UNKNOWN;
    if (known("length") && counts.every(known)) {
        const least = counts.reduce((sum, name) => sum + (args[name] ?? 0), 0);
        if (least > args.length!) {
            failures.push({
                property: "length",
                reason: `"length" (${args.length}) must be at least minUpper + minLower + minNumeric + minSpecial (${least})`,
            });
        }
    }
    if (known("numeric") && known("number") && args.numeric !== undefined && args.number !== undefined) {
        if (args.numeric !== args.number) {
            failures.push({
                property: "number",
                reason: '"number" is the old name of "numeric": leave it out',
            });
        }
    }
    if (!args.upper && !args.lower && !args.special && digits(args) === false) {
        failures.push({ property: "upper", reason: "one of upper, lower, numeric and special must be true" });
    }
    return failures;
}

function generated(args: Inputs): Inputs & { result: string } {
    const numeric = digits(args);
    return { ...args, numeric, number: numeric, result: randomString({ ...args, numeric }) };
}

/** An import knows the value only; the official plugin then takes the defaults for the rest. */
function imported(value: string): ReadResult<object> {
    return {
        id: value,
        outputs: { result: value, numeric: true, number: true },
        inputs: {
            length: value.length,
            upper: true,
            lower: true,
            special: true,
            minUpper: 0,
            minLower: 0,
            minNumeric: 0,
            minSpecial: 0,
        },
    };
}

export const randomStringResource = resource<object, Inputs, Inputs & { result: string }>({
    inputs,
    outputs: { result: string() },
    check,
    create: async (_context, args) => {
        const outputs = generated(args);
        return { id: outputs.result, outputs };
    },
    read: async (_context, id, state, args) => (state ? { outputs: {}, inputs: { ...args } } : imported(id)),
});

export const randomPassword = resource<object, Inputs, Inputs & { result: string; bcryptHash: string }>({
    inputs,
    outputs: { result: string({ secret: true }), bcryptHash: string({ secret: true }) },
    check,
    create: async (_context, args) => {
        const outputs = generated(args);
        // The id is not secret: it must not be the password.
        return { id: "none", outputs: { ...outputs, bcryptHash: await bcrypt(outputs.result) } };
    },
    read: async (_context, id, state, args) => {
        if (state) {
            return { outputs: {}, inputs: { ...args } };
        }
        const { inputs: observed, outputs } = imported(id);
        return { id: "none", inputs: observed, outputs: { ...outputs, bcryptHash: await bcrypt(id) } };
    },
});

/** With the official provider's cost, golang.org/x/crypto/bcrypt's default. */
async function bcrypt(password: string): Promise<string> {
    const { hash } = await import("bcryptjs");
    // The algorithm reads 72 bytes; the official provider hashes as many of them.
    const bytes = Buffer.from(password, "utf8").subarray(0, 72).toString("utf8");
    return (await hash(bytes, 10)).replace(/^\$2b\$/, "$2a$");
}

import { randomBytes, randomInt } from "node:crypto";

export interface StringArgs {
    length: number;
    upper: boolean;
    lower: boolean;
    numeric: boolean;
    special: boolean;
    minUpper: number;
    minLower: number;
    minNumeric: number;
    minSpecial: number;
    overrideSpecial?: string;
}

/** The official provider's characters. */
const characters = {
    upper: "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    lower: "abcdefghijklmnopqrstuvwxyz",
    numeric: "0123456789",
    special: "!@#$%&*()-_=+[]{}<>:?",
};

/** A string with at least the asked number of each kind, every permutation as likely as the others. */
export function randomString(args: StringArgs): string {
    const special = args.overrideSpecial || characters.special;
    const allowed = [
        args.upper ? characters.upper : "",
        args.lower ? characters.lower : "",
        args.numeric ? characters.numeric : "",
        args.special ? special : "",
    ].join("");
    const picked = [
        ...pick(characters.upper, args.minUpper),
        ...pick(characters.lower, args.minLower),
        ...pick(characters.numeric, args.minNumeric),
        ...pick(special, args.minSpecial),
    ];
    picked.push(...pick(allowed, args.length - picked.length));
    return shuffle(picked).join("");
}

function pick(from: string, count: number): string[] {
    return Array.from({ length: count }, () => from[randomInt(from.length)]!);
}

/** Fisher and Yates. */
function shuffle<T>(items: T[]): T[] {
    for (let index = items.length - 1; index > 0; index--) {
        const other = randomInt(index + 1);
        [items[index], items[other]] = [items[other]!, items[index]!];
    }
    return items;
}

export interface IdOutputs {
    b64Std: string;
    b64Url: string;
    dec: string;
    hex: string;
}

/** The spellings of a random id; the prefix stands before each of them. */
export function idOutputs(bytes: Buffer, prefix = ""): IdOutputs {
    return {
        b64Std: prefix + bytes.toString("base64"),
        b64Url: prefix + bytes.toString("base64url"),
        dec: prefix + BigInt(`0x${bytes.toString("hex")}`).toString(10),
        hex: prefix + bytes.toString("hex"),
    };
}

export { randomBytes };

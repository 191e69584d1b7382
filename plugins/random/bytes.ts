import { randomUUID } from "node:crypto";

import { integer, map, resource, string } from "../lib";
import { idOutputs, randomBytes, type IdOutputs } from "./generate";

interface Keepers {
    keepers?: Record<string, string>;
}

interface IdInputs extends Keepers {
    byteLength: number;
    prefix?: string;
}

interface BytesInputs extends Keepers {
    length: number;
}

const keepers = map(string(), { replace: true });

function positive(value: number): string | undefined {
    return value < 1 ? "must be at least 1" : undefined;
}

export const randomId = resource<object, IdInputs, IdInputs & IdOutputs>({
    inputs: {
        byteLength: integer({ required: true, replace: true, validate: positive }),
        keepers,
        prefix: string({ replace: true }),
    },
    outputs: { b64Std: string(), b64Url: string(), dec: string(), hex: string() },
    create: async (_context, { byteLength, prefix }) => {
        const bytes = randomBytes(byteLength);
        return { id: bytes.toString("base64url"), outputs: idOutputs(bytes, prefix) };
    },
    read: async (_context, id, state, inputs) => {
        if (state) {
            return { outputs: {}, inputs: { ...inputs } };
        }
        // `<prefix>,<base64url>`; a prefix may hold commas, base64 does not.
        const comma = id.lastIndexOf(",");
        const prefix = comma < 0 ? undefined : id.slice(0, comma);
        const bytes = Buffer.from(id.slice(comma + 1), "base64url");
        if (bytes.length === 0) {
            throw new Error(`"${id}" is no random id: use [<prefix>,]<the id in base64url>`);
        }
        return {
            id: bytes.toString("base64url"),
            outputs: idOutputs(bytes, prefix),
            inputs: { byteLength: bytes.length, prefix },
        };
    },
});

export const randomBytesResource = resource<
    object,
    BytesInputs,
    BytesInputs & { base64: string; hex: string }
>({
    inputs: { length: integer({ required: true, replace: true, validate: positive }), keepers },
    outputs: { base64: string({ secret: true }), hex: string({ secret: true }) },
    create: async (_context, { length }) => ({ id: "none", outputs: bytesOutputs(randomBytes(length)) }),
    read: async (_context, id, state, inputs) => {
        if (state) {
            return { outputs: {}, inputs: { ...inputs } };
        }
        const bytes = Buffer.from(id, "base64");
        if (bytes.length === 0) {
            throw new Error("the import id of random bytes is their value in base64");
        }
        return { id: "none", outputs: bytesOutputs(bytes), inputs: { length: bytes.length } };
    },
});

function bytesOutputs(bytes: Buffer): { base64: string; hex: string } {
    return { base64: bytes.toString("base64"), hex: bytes.toString("hex") };
}

export const randomUuid = resource<object, Keepers, Keepers & { result: string }>({
    inputs: { keepers },
    outputs: { result: string() },
    create: async () => {
        const result = randomUUID();
        return { id: result, outputs: { result } };
    },
    read: async (_context, id, state, inputs) => {
        if (state) {
            return { outputs: {}, inputs: { ...inputs } };
        }
        if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) {
            throw new Error(`"${id}" is no UUID`);
        }
        return { outputs: { result: id.toLowerCase() }, inputs: {}, id: id.toLowerCase() };
    },
});

import { baseRequest } from "@linode/api-v4";

import type { LinodeEmulator } from "./emulator";

/** Where the library sends its requests. */
const host = "https://api.linode.com";
let target: { url: string; token: string } | undefined;

/** Makes the public client library, which is one for the whole process, talk to an emulator from now on. */
export function useEmulator(emulator: LinodeEmulator): void {
    if (!target) {
        // The library's own setToken adds one token to another, and the first one wins.
        baseRequest.interceptors.request.use((config) => {
            config.url = config.url?.replace(host, target!.url);
            config.headers.setAuthorization(`Bearer ${target!.token}`);
            return config;
        });
    }
    target = { url: emulator.url, token: emulator.token };
}

/** What a refused call of the client library was told: status and error list. */
export interface Refusal {
    status: number;
    errors: { reason: string; field?: string }[];
}

/** The refusal of a call that has to be refused. */
export async function refusal(call: Promise<unknown>): Promise<Refusal> {
    const answer = await call.then(
        (result) => ({ result }),
        (error: { response?: { status: number; data: { errors: Refusal["errors"] } } }) => ({ error }),
    );
    if ("result" in answer) {
        throw new Error(`the API accepted what it should have refused: ${JSON.stringify(answer.result)}`);
    }
    const { response } = answer.error;
    if (!response) {
        throw answer.error;
    }
    return { status: response.status, errors: response.data.errors };
}

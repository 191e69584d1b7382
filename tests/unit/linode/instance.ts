import { createLinode, getLinode, type CreateLinodeRequest, type Linode } from "@linode/api-v4";
import * as assert from "node:assert/strict";

import { eventually } from "../../support/poll";

export const region = "nl-ams";

/** Makes an instance with a private address by the client library, and waits until it runs. */
export async function runningInstance(
    label: string,
    more: Partial<CreateLinodeRequest> = {},
): Promise<Linode> {
    const { id } = await createLinode({
        region,
        type: "g6-nanode-1",
        image: "linode/debian12",
        root_pass: "not-a-secret-of-anybody",
        label,
        private_ip: true,
        ...more,
    });
    return eventually(
        `${label} runs`,
        async () => {
            const now = await getLinode(id);
            assert.equal(now.status, "running");
            return now;
        },
        { within: 20, every: 10 },
    );
}

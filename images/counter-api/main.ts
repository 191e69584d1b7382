import { hostname } from "node:os";

import { drainDelayFrom, portFrom } from "../common/env";
import { run } from "../common/graceful";
import { createCounterApi } from "./server";

run(async () => {
    const { env } = process;
    const port = portFrom(env, 9001);
    const api = createCounterApi({
        hostname: env.NOMAD_ALLOC_ID?.slice(0, 8) || hostname(),
        drainDelayMs: drainDelayFrom(env),
    });
    await api.listen(port);
    console.log(`counter-api listens on port ${port}`);
    return api;
});

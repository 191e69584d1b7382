import { hostname } from "node:os";

import { drainDelayFrom, portFrom } from "../common/env";
import { run } from "../common/graceful";
import { createHello } from "./server";

run(async () => {
    const { env } = process;
    const port = portFrom(env, 8080);
    const name = env.NAME || "hello";
    const hello = createHello({
        name,
        instance: env.NOMAD_ALLOC_ID?.slice(0, 8) || hostname(),
        node: env.NODE_NAME || hostname(),
        nodeAddress: env.NODE_IP ?? "",
        port,
        drainDelayMs: drainDelayFrom(env),
        sessionCookie: env.SESSION_COOKIE || undefined,
    });
    await hello.listen(port);
    console.log(`${name} listens on port ${port}`);
    return hello;
});

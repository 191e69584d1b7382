import { drainDelayFrom, portFrom } from "../common/env";
import { run } from "../common/graceful";
import { createDashboard } from "./server";

run(async () => {
    const { env } = process;
    const port = portFrom(env, 9002);
    const dashboard = createDashboard({
        upstreamUrl: upstreamFrom(env.COUNTING_SERVICE_URL || "http://localhost:9001"),
        drainDelayMs: drainDelayFrom(env),
    });
    await dashboard.server.listen(port);
    console.log(`counter-dashboard listens on port ${port}`);
    return dashboard;
});

function upstreamFrom(text: string): URL {
    try {
        const url = new URL(text);
        if (url.protocol === "http:") {
            return url;
        }
    } catch {
        // Said below, together with a wrong scheme.
    }
    throw new Error(
        `COUNTING_SERVICE_URL must be an http:// address such as http://127.0.0.1:8080, not "${text}"`,
    );
}

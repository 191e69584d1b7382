import { portFrom } from "../common/env";
import { run } from "../common/graceful";
import { Catalog } from "./catalog";
import { Monitor } from "./monitor";
import { createService } from "./service";

run(async () => {
    const { env } = process;
    const port = portFrom(env, 8080);
    const address = addressFrom(env.CONSUL_HTTP_ADDR || "127.0.0.1:8500");
    const catalog = new Catalog({ address, token: env.CONSUL_HTTP_TOKEN || undefined });
    const monitor = new Monitor({ catalog, log: (line) => console.log(line) });
    const service = createService(monitor);
    await service.server.listen(port);
    console.log(`monitor listens on port ${port} and follows Consul at ${address.origin}`);
    monitor.start();
    return service;
});

/** As Consul's own tools read it: `host:port`, or an address with http:// or https://. */
function addressFrom(text: string): URL {
    try {
        const url = new URL(text.includes("://") ? text : `http://${text}`);
        if (url.protocol === "http:" || url.protocol === "https:") {
            return url;
        }
    } catch {
        // Said below, together with a wrong scheme.
    }
    throw new Error(`CONSUL_HTTP_ADDR must be an address such as http://127.0.0.1:8500, not "${text}"`);
}

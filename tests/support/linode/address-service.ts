import { once } from "node:events";
import * as http from "node:http";
import type { AddressInfo } from "node:net";

/** Tells whoever asks by which address the emulated internet knows this computer, as https://checkip.amazonaws.com does. */
export class AddressService {
    private constructor(
        private readonly server: http.Server,
        /** For `GATEHOUSE_ADDRESS_URL`. */
        readonly url: string,
    ) {}

    static async start(address: string): Promise<AddressService> {
        const server = http.createServer((_request, response) => {
            response.setHeader("content-type", "text/plain");
            response.end(`${address}\n`);
        });
        server.listen(0, "127.0.0.1");
        await once(server, "listening");
        const { port } = server.address() as AddressInfo;
        return new AddressService(server, `http://127.0.0.1:${port}/`);
    }

    stop(): void {
        this.server.close();
        this.server.closeAllConnections();
    }
}

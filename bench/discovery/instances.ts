import { imageReference } from "../../toolchain/images";
import type { Consul, Instance } from "./consul";
import type { Stage } from "./stage";

/** What `X-Instance` says of the one that comes and goes. */
export const probe = "probe";

/** The one that comes and goes, and one that stays, so that there is always somebody to answer. */
export interface Pair {
    probe: Instance;
    always: Instance;
}

/** The same two web servers, plain and as members of Consul's mesh. */
export interface Instances {
    plain: Pair;
    native: Pair;
}

const ports = { plain: { probe: 8001, always: 8002 }, native: { probe: 8101, always: 8102 } };

/** Starts web servers that live as long as the stage: nothing but discovery is measured. */
export async function startInstances(stage: Stage, consul: Consul): Promise<Instances> {
    const { chain, key, roots } = await consul.certificate();
    const { address } = await stage.run({
        name: "instances",
        image: imageReference("node"),
        env: { CHAIN: chain, KEY: key, ROOTS: roots, PORTS: JSON.stringify(ports) },
        command: ["-e", program],
    });
    const pair = (kind: keyof typeof ports): Pair => {
        const instance = (name: "probe" | "always"): Instance => {
            return { id: name, address, port: ports[kind][name], native: kind === "native" };
        };
        return { probe: instance("probe"), always: instance("always") };
    };
    return { plain: pair("plain"), native: pair("native") };
}

// A member of the mesh shows the service's certificate and answers only those who have one, too.
const program = `
const { CHAIN: cert, KEY: key, ROOTS: ca, PORTS } = process.env;
const answer = (name) => (request, response) => {
    response.setHeader("X-Instance", name);
    response.end("ok\\n");
};
const { plain, native } = JSON.parse(PORTS);
for (const [name, port] of Object.entries(plain)) {
    require("node:http").createServer(answer(name)).listen(port).keepAliveTimeout = 120000;
}
const tls = { cert, key, ca, requestCert: true, rejectUnauthorized: true };
for (const [name, port] of Object.entries(native)) {
    require("node:https").createServer(tls, answer(name)).listen(port).keepAliveTimeout = 120000;
}
`;

import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

export interface Reference {
    /** With the registry, without the tag. */
    repository: string;
    tag: string;
    registry: string;
}

export interface RegistryAuth {
    username?: string;
    password?: string;
    serveraddress?: string;
}

/** Where Docker Hub's credentials are kept. */
const hubServer = "https://index.docker.io/v1/";

/** Splits `registry/repository:tag`; `undefined` when the registry is left out. */
export function parseReference(name: string): Reference | undefined {
    const match = /^(?<repository>(?<registry>[^/]+)\/[^:@]+)(?::(?<tag>[^:@/]+))?$/.exec(name);
    const { repository, registry, tag } = match?.groups ?? {};
    // A first part without dot, colon and "localhost" is a user of Docker Hub.
    if (repository === undefined || registry === undefined || !/[.:]|^localhost$/.test(registry)) {
        return undefined;
    }
    return { repository, registry, tag: tag ?? "latest" };
}

/** The program's credentials, else those that `docker login` has stored in plain, else none. */
export async function authFor(
    registry: string,
    given: { server?: string; username?: string; password?: string } | undefined,
): Promise<RegistryAuth> {
    const server = (given?.server ?? registry).replace(/^https?:\/\//, "").replace(/\/.*$/, "");
    const serveraddress = ["docker.io", "index.docker.io", "registry-1.docker.io"].includes(server)
        ? hubServer
        : server;
    if (given?.username && given.password) {
        return { username: given.username, password: given.password, serveraddress };
    }
    const stored = await storedAuth(serveraddress);
    return stored ? { ...stored, serveraddress } : {};
}

async function storedAuth(server: string): Promise<RegistryAuth | undefined> {
    const folder = process.env.DOCKER_CONFIG ?? join(homedir(), ".docker");
    try {
        const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8")) as {
            auths?: Record<string, { auth?: string }>;
        };
        const auth = (config.auths?.[server] ?? config.auths?.[`https://${server}`])?.auth;
        const [username, ...password] = Buffer.from(auth ?? "", "base64")
            .toString("utf8")
            .split(":");
        return auth && username ? { username, password: password.join(":") } : undefined;
    } catch {
        return undefined;
    }
}

import * as http from "node:http";
import * as https from "node:https";

/** How one gets in. */
export interface Credentials {
    /** The header that has the token, and the token. Default: none. */
    token?: [name: string, secret: string];
    /** `user:password` of the operators' endpoint. */
    auth?: string;
    /** The authority (PEM) of its certificate. */
    ca?: string;
    /** A certificate of one's own and its key (PEM), where that is asked for. */
    cert?: string;
    key?: string;
}

/** An answer that is no success. */
export class Refusal extends Error {
    constructor(
        message: string,
        readonly status: number,
    ) {
        super(message);
    }
}

/** The HTTP API of Consul, Nomad or etcd. Nothing that it throws holds a secret. */
export class Api {
    constructor(
        readonly name: string,
        readonly base: string,
        private readonly credentials: Credentials,
    ) {}

    /** The answer's JSON; undefined for 404. */
    async get<T>(path: string): Promise<T | undefined> {
        const { status, text } = await this.send("GET", path);
        if (status === 404) {
            return undefined;
        }
        this.mustSucceed("GET", path, status, text);
        return JSON.parse(text) as T;
    }

    /** A list; an empty one for 404 and null. */
    async list<T>(path: string): Promise<T[]> {
        return (await this.get<T[] | null>(path)) ?? [];
    }

    /** @param body bytes as they are, or an object as JSON */
    async put(path: string, body?: Buffer | object): Promise<void> {
        const { status, text } = await this.send("PUT", path, body);
        this.mustSucceed("PUT", path, status, text);
    }

    /** etcd's way to ask for anything. */
    async post<T>(path: string, body: object = {}): Promise<T> {
        const { status, text } = await this.send("POST", path, body);
        this.mustSucceed("POST", path, status, text);
        return JSON.parse(text) as T;
    }

    private mustSucceed(method: string, path: string, status: number, text: string): void {
        if (status < 200 || status > 299) {
            const [address] = path.split("?");
            throw new Refusal(
                `${this.name}: ${method} ${address} answers ${status}: ${text.trim().slice(0, 200)}`,
                status,
            );
        }
    }

    private send(
        method: string,
        path: string,
        body?: Buffer | object,
    ): Promise<{ status: number; text: string }> {
        const { token, ...others } = this.credentials;
        const url = new URL(path, this.base);
        return new Promise((resolve, reject) => {
            const request = (url.protocol === "https:" ? https : http).request(
                url,
                {
                    method,
                    ...others,
                    agent: false,
                    timeout: 120_000,
                    headers: token && { [token[0]]: token[1] },
                },
                (response) => {
                    const chunks: Buffer[] = [];
                    response.on("data", (chunk: Buffer) => chunks.push(chunk));
                    response.on("error", reject);
                    response.on("end", () =>
                        resolve({
                            status: response.statusCode ?? 0,
                            text: Buffer.concat(chunks).toString("utf8"),
                        }),
                    );
                },
            );
            request.on("timeout", () => request.destroy(new Error(`${this.name} does not answer in time`)));
            request.on("error", reject);
            request.end(body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body));
        });
    }
}

/** An API behind the operators' endpoint, by the stack's variables of these names. */
export function operatorsApi(
    name: string,
    environment: Readonly<Record<string, string>>,
    variables: { address: string; auth: string; token: [header: string, variable: string] },
): Api {
    const [header, variable] = variables.token;
    return new Api(name, environment[variables.address] ?? "", {
        token: [header, environment[variable] ?? ""],
        auth: environment[variables.auth],
        ca: environment["GATEHOUSE_CA"],
    });
}

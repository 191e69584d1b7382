import * as http from "node:http";

export interface RequestOptions {
    method?: string;
    headers?: Record<string, string>;
    /** Sent as JSON. */
    body?: unknown;
    /** `user:password`. */
    auth?: string;
    /** Seconds. Default 5. */
    timeout?: number;
}

export interface Answer {
    status: number;
    headers: http.IncomingHttpHeaders;
    body: string;
}

/** One request on a connection of its own, as a person's first visit is; does not follow redirects. */
export function request(url: string, options: RequestOptions = {}): Promise<Answer> {
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    return new Promise((resolve, reject) => {
        const outgoing = http.request(
            url,
            {
                agent: false,
                method: options.method ?? "GET",
                auth: options.auth,
                headers: {
                    ...options.headers,
                    ...(body === undefined ? {} : { "content-type": "application/json" }),
                },
                timeout: (options.timeout ?? 5) * 1000,
            },
            (incoming) => {
                let text = "";
                incoming.setEncoding("utf8");
                incoming.on("data", (chunk: string) => (text += chunk));
                incoming.on("end", () =>
                    resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text }),
                );
                incoming.on("error", reject);
            },
        );
        outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer from ${url} in time`)));
        outgoing.on("error", reject);
        outgoing.end(body);
    });
}

/** The JSON that an address answers; anything but a 2xx is an error with the body in it. */
export async function getJson<T>(url: string, options: RequestOptions = {}): Promise<T> {
    const answer = await request(url, options);
    if (answer.status < 200 || answer.status > 299) {
        throw new Error(
            `${options.method ?? "GET"} ${url} answered ${answer.status}: ${answer.body.slice(0, 300)}`,
        );
    }
    return JSON.parse(answer.body) as T;
}

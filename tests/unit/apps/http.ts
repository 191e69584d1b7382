import * as http from "node:http";

export interface Answer {
    status: number;
    headers: http.IncomingHttpHeaders;
    body: string;
}

/** A GET over a connection of its own, unless an agent is given. */
export function get(url: string, options: http.RequestOptions = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
        const request = http.request(url, { agent: false, ...options }, (response) => {
            let body = "";
            response.setEncoding("utf8");
            response.on("data", (chunk: string) => (body += chunk));
            response.on("end", () =>
                resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
            );
            response.on("error", reject);
        });
        request.on("error", reject);
        request.end();
    });
}

import { address, type Job, type Proxy } from "./job";

/** The balancer of the `sticky` lab, with the settings that the image documents. */
export function ours(image: string, job: Job, core: number): Proxy {
    const backends = job.backends.flatMap(({ name, port }, n) => [
        [`BACKEND${n + 1}_URL`, `127.0.0.1:${port}`] as const,
        [`BACKEND${n + 1}_NAME`, name] as const,
    ]);
    return {
        name: "Gatehouse",
        url: address(job.tls === undefined ? 80 : 443, job.tls),
        role: {
            name: "gatehouse",
            image,
            core,
            env: {
                ...Object.fromEntries(backends),
                ...(job.tls === undefined
                    ? {}
                    : {
                          ENABLE_HTTPS: "true",
                          DOMAIN_NAME: "bench.test",
                          CERTIFICATE: job.tls.chain + job.tls.key,
                      }),
            },
        },
    };
}

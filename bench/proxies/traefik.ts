import { imageReference } from "../../toolchain/images";
import { address, cookie, hstsSeconds, withFiles, type Job, type Proxy } from "./job";

const port = 8082;

/** Traefik; Go starts as many threads for its work as it has cores. */
export function traefik(job: Job, core: number): Proxy {
    const options = [
        `--entrypoints.web.address=127.0.0.1:${port}`,
        "--providers.file.filename=/tmp/dynamic.yml",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--log.level=ERROR",
    ];
    return {
        name: "Traefik",
        url: address(port, job.tls),
        role: {
            name: "traefik",
            image: imageReference("bench-peers"),
            core,
            entrypoint: "/bin/sh",
            ...withFiles(
                {
                    // JSON is YAML, which the file provider reads.
                    "/tmp/dynamic.yml": JSON.stringify(traefikConfig(job)),
                    ...(job.tls === undefined
                        ? {}
                        : { "/tmp/chain.pem": job.tls.chain, "/tmp/key.pem": job.tls.key }),
                },
                `traefik ${options.join(" ")}`,
            ),
        },
    };
}

/** The dynamic configuration. Pure. */
export function traefikConfig({ backends, tls }: Job): object {
    const secure = tls !== undefined;
    return {
        http: {
            routers: {
                web: {
                    entryPoints: ["web"],
                    rule: "PathPrefix(`/`)",
                    service: "web",
                    ...(secure ? { tls: {}, middlewares: ["hsts"] } : {}),
                },
            },
            ...(secure
                ? { middlewares: { hsts: { headers: { stsSeconds: hstsSeconds, forceSTSHeader: true } } } }
                : {}),
            services: {
                web: {
                    loadBalancer: {
                        servers: backends.map((backend) => ({ url: `http://127.0.0.1:${backend.port}` })),
                        sticky: { cookie: { name: cookie, httpOnly: true, secure } },
                        healthCheck: { path: "/", interval: "2s", timeout: "1s" },
                    },
                },
            },
        },
        ...(secure
            ? {
                  tls: {
                      certificates: [{ certFile: "/tmp/chain.pem", keyFile: "/tmp/key.pem" }],
                      options: {
                          default: {
                              minVersion: "VersionTLS12",
                              cipherSuites: [
                                  "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
                                  "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                                  "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
                              ],
                          },
                      },
                  },
              }
            : {}),
    };
}

import { imageReference } from "../../toolchain/images";
import { address, ciphers, cookie, hstsSeconds, withFiles, type Job, type Proxy } from "./job";

const port = 8083;
const types = "type.googleapis.com/envoy.extensions";

/** Envoy with one worker thread. */
export function envoy(job: Job, core: number): Proxy {
    return {
        name: "Envoy",
        url: address(port, job.tls),
        role: {
            name: "envoy",
            image: imageReference("bench-peers"),
            core,
            entrypoint: "/bin/sh",
            ...withFiles(
                { "/tmp/envoy.json": JSON.stringify(envoyConfig(job)) },
                "envoy --config-path /tmp/envoy.json --concurrency 1 --log-level error --disable-hot-restart",
            ),
        },
    };
}

/** The static bootstrap. Pure. */
export function envoyConfig(job: Job): object {
    const { tls } = job;
    return {
        static_resources: {
            listeners: [
                {
                    name: "web",
                    address: socket(port),
                    filter_chains: [
                        {
                            filters: [
                                {
                                    name: "envoy.filters.network.http_connection_manager",
                                    typed_config: connectionManager(tls !== undefined),
                                },
                            ],
                            ...(tls === undefined ? {} : { transport_socket: transportSocket(tls) }),
                        },
                    ],
                },
            ],
            clusters: [cluster(job)],
        },
    };
}

function connectionManager(secure: boolean): object {
    return {
        "@type": `${types}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
        stat_prefix: "web",
        // X-Forwarded-For and -Proto as for a proxy at the edge.
        use_remote_address: true,
        generate_request_id: false,
        route_config: {
            name: "web",
            virtual_hosts: [
                {
                    name: "web",
                    domains: ["*"],
                    routes: [{ match: { prefix: "/" }, route: { cluster: "web" } }],
                    retry_policy: { retry_on: "connect-failure", num_retries: 3 },
                    ...(secure
                        ? {
                              response_headers_to_add: [
                                  {
                                      header: {
                                          key: "Strict-Transport-Security",
                                          value: `max-age=${hstsSeconds}`,
                                      },
                                  },
                              ],
                          }
                        : {}),
                },
            ],
        },
        http_filters: [
            {
                name: "envoy.filters.http.stateful_session",
                typed_config: {
                    "@type": `${types}.filters.http.stateful_session.v3.StatefulSession`,
                    session_state: {
                        name: "envoy.http.stateful_session.cookie",
                        typed_config: {
                            "@type": `${types}.http.stateful_session.cookie.v3.CookieBasedSessionState`,
                            cookie: { name: cookie, path: "/" },
                        },
                    },
                },
            },
            {
                name: "envoy.filters.http.router",
                typed_config: {
                    "@type": `${types}.filters.http.router.v3.Router`,
                    suppress_envoy_headers: true,
                },
            },
        ],
    };
}

function transportSocket(tls: NonNullable<Job["tls"]>): object {
    return {
        name: "envoy.transport_sockets.tls",
        typed_config: {
            "@type": `${types}.transport_sockets.tls.v3.DownstreamTlsContext`,
            common_tls_context: {
                tls_params: {
                    tls_minimum_protocol_version: "TLSv1_2",
                    tls_maximum_protocol_version: "TLSv1_3",
                    cipher_suites: ciphers,
                },
                tls_certificates: [
                    {
                        certificate_chain: { inline_string: tls.chain },
                        private_key: { inline_string: tls.key },
                    },
                ],
                alpn_protocols: ["h2", "http/1.1"],
            },
        },
    };
}

function cluster({ backends }: Job): object {
    return {
        name: "web",
        type: "STATIC",
        connect_timeout: "1s",
        lb_policy: "ROUND_ROBIN",
        load_assignment: {
            cluster_name: "web",
            endpoints: [
                {
                    lb_endpoints: backends.map((backend) => ({
                        endpoint: { address: socket(backend.port) },
                    })),
                },
            ],
        },
        health_checks: [
            {
                timeout: "1s",
                interval: "2s",
                unhealthy_threshold: 2,
                healthy_threshold: 1,
                http_health_check: { path: "/" },
            },
        ],
    };
}

function socket(port: number): object {
    return { socket_address: { address: "127.0.0.1", port_value: port } };
}

import { internalPorts, paths } from "./paths";
import type { Backend, HttpsSettings, Settings } from "./settings";

/**
 * Mozilla's intermediate profile (5.7): every browser of the last years, nothing that is known to be weak. TLS 1.2 at
 * least is said on the bind line.
 */
const tls = {
    ciphers: [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "DHE-RSA-AES128-GCM-SHA256",
        "DHE-RSA-AES256-GCM-SHA384",
        "DHE-RSA-CHACHA20-POLY1305",
    ].join(":"),
    suites: ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"].join(":"),
    curves: "X25519:prime256v1:secp384r1",
};

/**
 * HAProxy tells on standard error when a server goes up or down, and in its backend's log as well: once is enough.
 * Requests are logged by the frontends.
 */
const backendLog = "no log";

export const challengePath = "/.well-known/acme-challenge/";

/** haproxy.cfg for these settings. `certificate` is the file that HTTPS is served with. */
export function renderHaproxy(settings: Settings, certificate: string = paths.site): string {
    const sections = [
        globals(settings),
        defaults(settings),
        resolvers,
        ...(settings.https === undefined
            ? [plainFrontend]
            : [redirectFrontend(settings.https), httpsFrontend(settings.https, certificate)]),
        application(settings),
        ...(settings.https?.certificate.kind === "acme" ? [challenges] : []),
        ...statistics(settings),
    ];
    return sections
        .map(([heading, ...lines]) => [heading, ...lines.map((line) => `    ${line}`)].join("\n") + "\n")
        .join("\n");
}

/** The server line's address; two settings with the same one can share the server's state over a reload. */
export function serverAddress(backend: Backend): string {
    return `${backend.host}:${backend.port}`;
}

function globals(settings: Settings): string[] {
    return [
        "global",
        "log stdout format raw local0 info",
        "user haproxy",
        "group haproxy",
        "chroot /var/lib/haproxy",
        "# Two file descriptors a connection; many machines allow 20,000 in all.",
        "maxconn 8000",
        "# Old workers finish what they have after a reload, but not for ever: longer than a server may take.",
        "hard-stop-after 1m",
        "mworker-max-reloads 10",
        `stats socket ${paths.admin} mode 600 level admin`,
        `server-state-file ${paths.servers}`,
        ...(settings.https === undefined
            ? []
            : [
                  "# Mozilla's intermediate profile.",
                  `ssl-default-bind-ciphers ${tls.ciphers}`,
                  `ssl-default-bind-ciphersuites ${tls.suites}`,
                  "ssl-default-bind-options prefer-client-ciphers ssl-min-ver TLSv1.2 no-tls-tickets",
                  "tune.ssl.default-dh-param 2048",
              ]),
    ];
}

function defaults(settings: Settings): string[] {
    return [
        "defaults",
        "mode http",
        "log global",
        "option dontlognull",
        ...(settings.log === "all"
            ? []
            : [
                  "# Errors, retries and redispatches only: a line per request would cost more than the request.",
                  "option dontlog-normal",
              ]),
        "# The next backend gets the request when one does not take it. A request that was sent already is sent again",
        "# only if its method says that this changes nothing.",
        "option redispatch 1",
        "retries 3",
        "retry-on conn-failure empty-response",
        "timeout connect 1s",
        "timeout check 1s",
        "timeout http-request 10s",
        "timeout http-keep-alive 10s",
        "timeout queue 5s",
        "timeout client 50s",
        "timeout server 50s",
        "timeout tunnel 1h",
        "load-server-state-from-file global",
        ...[502, 503, 504].map(
            (status) => `http-error status ${status} content-type text/html file ${paths.errorPage}`,
        ),
    ];
}

/**
 * Backends are names: a container that comes back with another address is found within a second. A name that is not
 * there is no reason not to start, and a name server that is not there for a while changes nothing.
 */
const resolvers = [
    "resolvers system",
    "parse-resolv-conf",
    "accepted_payload_size 8192",
    "timeout resolve 1s",
    "timeout retry 1s",
    "resolve_retries 3",
    "hold valid 30s",
    "hold nx 5s",
    "hold timeout 30s",
    "hold refused 30s",
    "hold other 30s",
];

/** What every frontend for clients has. This is the edge: what clients say about themselves does not count. */
const edge = (scheme: "http" | "https"): string[] => [
    "option httplog",
    "option http-ignore-probes",
    "# After a reload an idle connection gets one more answer, with `Connection: close`, instead of a reset.",
    "option idle-close-on-response",
    "option forwardfor",
    "http-request del-header X-Forwarded-For",
    `http-request set-header X-Forwarded-Proto ${scheme}`,
    "http-request disable-l7-retry unless METH_GET or { method HEAD OPTIONS }",
];

const plainFrontend = ["frontend http", "bind :80", ...edge("http"), "default_backend apps"];

function redirectFrontend(https: HttpsSettings): string[] {
    const port = https.publicPort === 443 ? "" : `:${https.publicPort}`;
    const target = `https://%[var(txn.host)]${port}%[pathq]`;
    return [
        "frontend http",
        "bind :80",
        ...edge("http"),
        `acl challenge path_beg ${challengePath}`,
        "http-request set-var(txn.host) req.hdr(host),regsub(:[0-9]+$,)",
        "# No certificate is for an address: who asked for one is sent to the domain.",
        `http-request set-var(txn.host) str(${https.domain}) unless { var(txn.host) -m reg -i ^[^[]*[a-z] }`,
        `http-request redirect code 301 location ${target} if METH_GET !challenge`,
        "# 308 keeps the method and the body.",
        `http-request redirect code 308 location ${target} if !METH_GET !challenge`,
        https.certificate.kind === "acme" ? "default_backend challenges" : "default_backend apps",
    ];
}

function httpsFrontend(https: HttpsSettings, certificate: string): string[] {
    return [
        "frontend https",
        `bind :443 ssl crt ${certificate} alpn h2,http/1.1 curves ${tls.curves}`,
        ...edge("https"),
        ...(https.hstsMaxAge === 0
            ? []
            : [`http-after-response set-header Strict-Transport-Security max-age=${https.hstsMaxAge}`]),
        "default_backend apps",
    ];
}

function application(settings: Settings): string[] {
    const host = settings.https?.domain;
    return [
        "backend apps",
        backendLog,
        "balance roundrobin",
        `cookie SERVERID insert indirect nocache httponly${settings.https === undefined ? "" : " secure"}`,
        "option httpchk",
        `http-check send meth GET uri '${settings.healthPath}'` +
            (host === undefined ? "" : ` ver HTTP/1.1 hdr Host ${host}`),
        "http-check expect status 200-399",
        "default-server check inter 1s fastinter 200ms downinter 200ms fall 2 rise 1",
        "default-server resolvers system resolve-prefer ipv4 init-addr last,none",
        ...settings.backends.map(
            (backend) => `server ${backend.name} ${serverAddress(backend)} cookie ${backend.name}`,
        ),
    ];
}

const challenges = [
    "backend challenges",
    backendLog,
    "# certbot listens only while it proves the domain.",
    'http-error status 503 content-type text/plain string "no challenge is under way\\n"',
    `server certbot 127.0.0.1:${internalPorts.challenge}`,
];

function statistics(settings: Settings): string[][] {
    const { stats } = settings;
    return [
        [
            "frontend stats",
            "bind :1936",
            "no log",
            'http-request return status 503 content-type text/plain string "no healthy backend\\n" if { path /ready } { nbsrv(apps) lt 1 }',
            'http-request return status 200 content-type text/plain string "ready\\n" if { path /ready }',
            "# The supervisor tells about certificates.",
            "use_backend supervisor if { path /health }",
            "default_backend statistics",
        ],
        ["backend supervisor", backendLog, `server supervisor 127.0.0.1:${internalPorts.health}`],
        ...(stats === undefined
            ? [
                  [
                      "backend statistics",
                      backendLog,
                      'http-request return status 404 content-type text/plain string "set STATS_PASSWORD to see the statistics\\n"',
                  ],
              ]
            : [
                  ["userlist operators", `user ${stats.user} insecure-password ${quote(stats.password)}`],
                  [
                      "backend statistics",
                      backendLog,
                      "http-request auth realm balancer unless { http_auth(operators) }",
                      "http-request use-service prometheus-exporter if { path /metrics }",
                      "stats enable",
                      "stats uri /",
                      "stats hide-version",
                      "stats show-legends",
                      "stats refresh 5s",
                  ],
              ]),
    ];
}

/** A word that HAProxy takes literally, whatever is in it. */
function quote(value: string): string {
    return `'${value.replaceAll("'", "'\\''")}'`;
}

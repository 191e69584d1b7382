import { imageReference } from "../../toolchain/images";
import { address, ciphers, cookie, hstsSeconds, withFiles, type Job, type Proxy } from "./job";

const port = 8081;

/** nginx as Debian has it. */
export function nginx(job: Job, core: number): Proxy {
    return {
        name: "nginx",
        url: address(port, job.tls),
        role: {
            name: "nginx",
            image: imageReference("bench-peers"),
            core,
            entrypoint: "/bin/sh",
            ...withFiles(
                {
                    "/tmp/nginx.conf": nginxConfig(job),
                    ...(job.tls === undefined
                        ? {}
                        : { "/tmp/chain.pem": job.tls.chain, "/tmp/key.pem": job.tls.key }),
                },
                "nginx -c /tmp/nginx.conf",
            ),
        },
    };
}

/** The session's cookie leads to an upstream group in which the others only stand by. Pure. */
export function nginxConfig({ backends, tls }: Job): string {
    const groups = [
        ["everyone", backends.map((backend) => `server 127.0.0.1:${backend.port};`)] as const,
        ...backends.map(
            ({ name }) =>
                [
                    name,
                    backends.map(
                        (each) => `server 127.0.0.1:${each.port}${each.name === name ? "" : " backup"};`,
                    ),
                ] as const,
        ),
    ];
    const attributes = `Path=/; HttpOnly${tls === undefined ? "" : "; Secure"}`;
    return [
        "worker_processes 1;",
        "daemon off;",
        "error_log stderr error;",
        "pid /tmp/nginx.pid;",
        "events { worker_connections 4000; }",
        "http {",
        "    access_log off;",
        "    server_tokens off;",
        // nginx closes a connection after a thousand requests unless told otherwise; the others do not.
        "    keepalive_requests 1000000000;",
        "    keepalive_timeout 120s;",
        ...groups.flatMap(([name, servers]) => [
            `    upstream ${name} {`,
            ...servers.map((server) => `        ${server}`),
            "        keepalive 128;",
            "        keepalive_requests 1000000000;",
            "    }",
        ]),
        `    map $cookie_${cookie} $group {`,
        "        default everyone;",
        ...backends.map(({ name }) => `        ${name} ${name};`),
        "    }",
        "    map $upstream_addr $answered {",
        ...backends.map((backend) => `        127.0.0.1:${backend.port} ${backend.name};`),
        "    }",
        `    map $cookie_${cookie} $session {`,
        `        default "${cookie}=$answered; ${attributes}";`,
        ...backends.map(({ name }) => `        ${name} "";`),
        "    }",
        "    server {",
        ...(tls === undefined
            ? [`        listen 127.0.0.1:${port};`]
            : [
                  `        listen 127.0.0.1:${port} ssl http2;`,
                  "        ssl_certificate /tmp/chain.pem;",
                  "        ssl_certificate_key /tmp/key.pem;",
                  "        ssl_protocols TLSv1.2 TLSv1.3;",
                  `        ssl_ciphers ${ciphers.join(":")};`,
                  "        ssl_prefer_server_ciphers off;",
                  "        ssl_session_tickets off;",
                  "        ssl_session_cache shared:sessions:10m;",
              ]),
        "        location / {",
        "            proxy_pass http://$group;",
        "            proxy_http_version 1.1;",
        '            proxy_set_header Connection "";',
        "            proxy_set_header Host $http_host;",
        "            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "            proxy_set_header X-Forwarded-Proto $scheme;",
        "            add_header Set-Cookie $session;",
        ...(tls === undefined
            ? []
            : [`            add_header Strict-Transport-Security "max-age=${hstsSeconds}";`]),
        "        }",
        "    }",
        "}",
        "",
    ].join("\n");
}

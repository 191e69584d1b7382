import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";

import { ApiError, busy, notFound } from "./errors";
import type { Fault } from "./faults";
import type { Platform } from "./platform";
import type { LoggedRequest, RequestLog } from "./request-log";
import { account } from "./resources/account";
import { balancerNodes } from "./resources/balancer-nodes";
import { balancerPorts } from "./resources/balancer-ports";
import { catalogue } from "./resources/catalogue";
import { domains } from "./resources/domains";
import { firewalls } from "./resources/firewalls";
import { instanceParts } from "./resources/instance-parts";
import { instances } from "./resources/instances";
import { nodebalancers } from "./resources/nodebalancers";
import { placementGroups } from "./resources/placement-groups";
import { vpcs } from "./resources/vpcs";
import { entriesOf } from "./schema";
import { missingScope } from "./scopes";

const resources = [
    account,
    balancerNodes,
    balancerPorts,
    catalogue,
    domains,
    firewalls,
    instanceParts,
    instances,
    nodebalancers,
    placementGroups,
    vpcs,
];

const versions = ["/v4", "/v4beta"];

/** Anything that the client can read the type of; the API's own is exactly this, without a character set. */
const contentType = "application/json";

export interface ServerOptions {
    platform: Platform;
    token: string;
    /** What the token may do, separated by spaces. */
    scopes: string;
    log: RequestLog;
    /** Ends the server at once, as a crash would. */
    crash: () => void;
}

/** What goes with a request from its first hook to its last. */
interface Course {
    entry: LoggedRequest;
    fault?: Fault;
}

/** The API as an HTTP server that does not listen yet. */
export function createServer({ platform, token, scopes, log, crash }: ServerOptions): FastifyInstance {
    const app = fastify({
        // The platform's limits decide, not the framework's; a request is never larger than an instance's user data.
        bodyLimit: 1024 * 1024,
        forceCloseConnections: true,
        ajv: {
            customOptions: {
                allErrors: true,
                coerceTypes: false,
                removeAdditional: false,
                keywords: ["reason"],
                verbose: true,
                // Values that may be null or something else.
                allowUnionTypes: true,
            },
        },
        schemaErrorFormatter: (problems) => new ApiError(400, entriesOf(problems)),
    });
    const courses = new WeakMap<FastifyRequest, Course>();

    // Clients send a type with requests that have no body, and not always that of JSON.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", { parseAs: "string" }, (_request, text, done) => {
        try {
            done(null, text === "" ? {} : JSON.parse(text as string));
        } catch {
            done(new ApiError(400, { reason: "Invalid JSON" }), undefined);
        }
    });
    app.addHook("preValidation", async (request) => {
        request.body ??= {};
    });

    app.addHook("onRequest", async (request, reply) => {
        const path = request.url.split("?")[0]!.replace(/^\/v4(beta)?(?=\/)/, "");
        const route = (request.routeOptions.url ?? path).replace(/^\/v4(beta)?(?=\/)/, "");
        const fault = platform.faults.take(request.method, path);
        courses.set(request, { entry: log.add({ method: request.method, route, path }), fault });
        if (fault) {
            return before(fault, request, reply, crash);
        }
    });
    app.addHook("onRequest", async (request, reply) => {
        if (!reply.sent && request.headers.authorization !== `Bearer ${token}`) {
            throw new ApiError(401, { reason: "Invalid Token" });
        }
        const path = request.url.split("?")[0]!.replace(/^\/v4(beta)?(?=\/)/, "");
        if (!reply.sent && missingScope(scopes, request.method, path) !== undefined) {
            throw new ApiError(401, { reason: "Your OAuth token is not authorized to use this endpoint." });
        }
        reply.header("x-oauth-scopes", scopes);
    });
    app.addHook("onSend", async (request, reply, payload) => {
        const course = courses.get(request);
        if (course?.fault?.kind === "crash") {
            crash();
        } else if (course?.fault?.kind === "cut") {
            request.raw.socket.destroy();
        } else if (course) {
            course.entry.status = reply.statusCode;
        }
        if (payload !== undefined && payload !== null && payload !== "") {
            reply.header("content-type", contentType);
        }
        return payload;
    });

    app.setNotFoundHandler(() => {
        throw notFound();
    });
    app.setErrorHandler(async (error: Error & { statusCode?: number }, _request, reply) => {
        if (error instanceof ApiError) {
            return reply.code(error.status).headers(error.headers).send({ errors: error.entries });
        }
        return reply.code(error.statusCode ?? 500).send({ errors: [{ reason: error.message }] });
    });

    for (const prefix of versions) {
        app.register(
            async (scope) => {
                for (const routes of resources) {
                    routes(scope, platform);
                }
            },
            { prefix },
        );
    }
    return app;
}

/** What a fault does before the request has had any effect. */
async function before(
    fault: Fault,
    request: FastifyRequest,
    reply: FastifyReply,
    crash: () => void,
): Promise<void> {
    switch (fault.kind) {
        case "tooManyRequests":
            throw new ApiError(
                429,
                { reason: "Too many requests" },
                { "retry-after": String(fault.retryAfter ?? 1) },
            );
        case "unavailable":
            throw new ApiError(
                503,
                { reason: "Service unavailable" },
                fault.maintenance
                    ? { "x-maintenance-mode": "all,All endpoints are temporarily unavailable" }
                    : {},
            );
        case "busy":
            throw busy();
        case "internalError":
            throw new ApiError(500, { reason: "Internal server error" });
        case "cut":
        case "crash":
            if (fault.when === "before") {
                reply.hijack();
                if (fault.kind === "crash") {
                    crash();
                } else {
                    request.raw.socket.destroy();
                }
            }
    }
}

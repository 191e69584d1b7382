import { isIPv4 } from "node:net";

import { type ArgumentProblem, refuseArguments } from "../../security/arguments";
import type { EtcdBalancerArgs } from "../etcd-balancer";
import { refuseGuard } from "../node/guard";

/**
 * Says everything that is wrong with the arguments, and never a secret.
 *
 * @throws pulumi.InputPropertiesError
 */
export function refuseEtcdBalancer(args: EtcdBalancerArgs): void {
    const problems: ArgumentProblem[] = [];
    const must = (right: boolean, propertyPath: string, reason: string): void => {
        if (!right) {
            problems.push({ propertyPath, reason });
        }
    };
    const { node, etcd, application, excluded = [], intervalSeconds = 20 } = args;
    must(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(node.name), "node.name", "must be a host name");
    must(isIPv4(node.address), "node.address", "must be an IPv4 address");

    must(etcd.endpoints.length > 0, "etcd.endpoints", "must name a member at least");
    etcd.endpoints.forEach((endpoint, index) =>
        must(isEndpoint(endpoint), `etcd.endpoints[${index}]`, "must be like https://10.219.0.11:2379"),
    );
    for (const file of ["caFile", "certificateFile", "keyFile"] as const) {
        must(/^\/[\w./-]+$/.test(etcd[file]), `etcd.${file}`, "must be the path of a file on the machine");
    }
    must(word.test(etcd.user), "etcd.user", characters);
    must(etcd.password.length > 0, "etcd.password", "must not be empty");

    const {
        name,
        ports,
        healthPath = "/health",
        sessionCookie = "JSESSIONID",
        maxServers = 64,
    } = application;
    must(
        /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name),
        "application.name",
        "must be at most 32 lower-case letters, digits and '-', beginning with a letter",
    );
    must(
        whole(ports.from, 1, 65_535) && whole(ports.to, ports.from, 65_535),
        "application.ports",
        "must be ports, `from` not above `to`",
    );
    must(
        /^\/[A-Za-z0-9._~/-]{0,200}$/.test(healthPath),
        "application.healthPath",
        "must be a path such as /health, of letters, digits, '-', '_', '.', '~' and '/'",
    );
    must(word.test(sessionCookie), "application.sessionCookie", characters);
    must(whole(maxServers, 1, 512), "application.maxServers", "must be a whole number from 1 to 512");

    must(
        isNetwork(args.network),
        "network",
        "must be the address of a network and its length, 8 to 30, like 10.219.0.0/24",
    );
    excluded.forEach((address, index) =>
        must(isIPv4(address), `excluded[${index}]`, "must be an IPv4 address"),
    );
    must(whole(intervalSeconds, 1, 3600), "intervalSeconds", "must be whole seconds, 1 to 3600");
    must(word.test(args.stats.user), "stats.user", characters);
    must(word.test(args.stats.password), "stats.password", characters);
    refuseGuard(args.guard, must);
    refuseArguments(`the balancer on ${node.name}`, problems);
}

const word = /^[A-Za-z0-9._-]+$/;
const characters = "must be letters, digits, '-', '_' and '.'";

function whole(value: number, least: number, most: number): boolean {
    return Number.isInteger(value) && value >= least && value <= most;
}

function isEndpoint(endpoint: string): boolean {
    return /^https:\/\/[A-Za-z0-9.-]+:[0-9]{1,5}$/.test(endpoint) && URL.canParse(endpoint);
}

/** Without bits behind its length: the program on the machine would refuse them. */
function isNetwork(text: string): boolean {
    const [base = "", length = ""] = text.split("/");
    if (!isIPv4(base) || !/^([89]|[12][0-9]|30)$/.test(length)) {
        return false;
    }
    const bits = base.split(".").reduce((all, byte) => all * 256 + Number(byte), 0);
    return bits % 2 ** (32 - Number(length)) === 0;
}

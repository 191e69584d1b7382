// @ts-check
"use strict";

/** Where the API is unless `linode:url` or LINODE_URL says otherwise. The provider has the same default. */
const defaultUrl = "https://api.linode.com";

/** What a token has to be allowed to do, as the API's scopes; `domains` only where DNS records are wanted. */
const scopes = {
    always: ["events:read_only", "firewall:read_write", "linodes:read_write", "vpc:read_write"],
    nodeBalancers: ["nodebalancers:read_write"],
    dns: ["domains:read_write"],
};

const tokenRemedy =
    "make a token at https://cloud.linode.com/profile/tokens with read and write access to Linodes, Firewalls, VPCs, " +
    "NodeBalancers and (for DNS) Domains, and read access to Events; then: pulumi config set --secret linode:token, or " +
    "export LINODE_TOKEN";

/**
 * Where the API is and who asks.
 * @typedef {object} Access
 * @property {string | undefined} token
 * @property {string} url without the version
 * @property {string} urlSetting where the address comes from: `linode:url`, `LINODE_URL` or nothing
 */

/**
 * Token and address: the stack's configuration comes first, as with the provider.
 * @param {{ token?: string, url?: string }} config `linode:token` and `linode:url`
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Access}
 */
function accessFrom(config, env = process.env) {
    const [url, urlSetting] = config.url
        ? [config.url, "linode:url"]
        : env["LINODE_URL"]
          ? [env["LINODE_URL"], "LINODE_URL"]
          : [defaultUrl, ""];
    return { token: config.token || env["LINODE_TOKEN"] || undefined, url, urlSetting };
}

/**
 * The scopes that a token lacks. The API says what it has in a header of each answer; nothing lacks where it has not.
 * @param {string[] | undefined} granted
 * @param {string[]} wanted
 * @returns {string[]}
 */
function missingScopes(granted, wanted) {
    if (granted === undefined || granted.includes("*")) {
        return [];
    }
    return wanted.filter(
        (scope) => !granted.includes(scope) && !granted.includes(scope.replace(":read_only", ":read_write")),
    );
}

module.exports = { accessFrom, missingScopes, scopes, defaultUrl, tokenRemedy };

import { regions } from "../catalogue/regions";
import { timestamp } from "../clock";
import { listOf } from "../collection";
import { invalid } from "../errors";
import { taggedThings } from "../inventory";
import { entityOf } from "../platform";
import { bodyOf, ids, type Routes } from "../routes";
import { body, text } from "../schema";

/** The account, its events and its SSH keys. */
export const account: Routes = (app, platform) => {
    const { events, sshKeys } = platform;

    app.get("/account", () => ({
        active_since: "2020-01-01T00:00:00",
        balance: 0,
        balance_uninvoiced: 0,
        capabilities: ["Linodes", "NodeBalancers", "Cloud Firewall", "VPCs", "Placement Group"],
        company: "Emulated account",
        country: "US",
        email: "emulator@example.com",
        euuid: "00000000-0000-4000-8000-000000000000",
    }));
    app.get("/account/settings", () => ({
        backups_enabled: false,
        interfaces_for_new_linodes: "legacy_config_only",
        longview_subscription: null,
        maintenance_policy: "linode/migrate",
        managed: false,
        network_helper: true,
        object_storage: "disabled",
    }));
    app.get("/account/availability", (request) =>
        listOf(
            regions.map(({ id }) => ({ region: id, unavailable: [] })),
            request,
            ["region"],
        ),
    );
    app.get("/profile", () => ({
        username: "emulator",
        email: "emulator@example.com",
        restricted: false,
        timezone: "UTC",
        uid: 1,
        user_type: "default",
    }));
    app.get("/profile/grants", (_request, reply) => reply.code(204).send());

    app.get("/account/events", (request) => events.list(request));
    app.get("/account/events/:id", (request) => events.get(ids(request).id!));
    for (const what of ["seen", "read"] as const) {
        app.post(`/account/events/:id/${what}`, (request) => {
            events.mark(ids(request).id!, what);
            return {};
        });
    }

    app.get("/tags", (request) => {
        const labels = new Set(taggedThings(platform).flatMap(({ tags }) => tags));
        return listOf(
            [...labels].sort().map((name) => ({ label: name })),
            request,
            ["label"],
        );
    });
    app.get("/tags/:label", (request) => {
        const things = taggedThings(platform).filter(({ tags }) => tags.includes(ids(request).label!));
        return listOf(
            things.map(({ kind, data }) => ({ type: kind, data })),
            request,
            ["type"],
        );
    });

    const keySchema = { label: { ...text, minLength: 1, maxLength: 64 }, ssh_key: text };
    app.get("/profile/sshkeys", (request) => sshKeys.list(request, (key) => key));
    app.get("/profile/sshkeys/:id", (request) => sshKeys.get(ids(request).id!));
    app.post("/profile/sshkeys", { schema: body(keySchema, ["label", "ssh_key"]) }, (request) => {
        const wanted = bodyOf<{ label: string; ssh_key: string }>(request);
        if (!/^(ssh-(rsa|ed25519|dss)|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/]+={0,2}( |$)/.test(wanted.ssh_key)) {
            throw invalid("ssh_key", "SSH Key must be a public key such as ssh-ed25519 AAAA…");
        }
        const key = sshKeys.add({
            id: sshKeys.newId(),
            label: wanted.label,
            ssh_key: wanted.ssh_key,
            created: timestamp(),
        });
        events.notify("user_ssh_key_add", entityOf("user_ssh_key", "/profile/sshkeys", key));
        return key;
    });
    app.put("/profile/sshkeys/:id", { schema: body({ label: keySchema.label }) }, (request) => {
        const key = sshKeys.get(ids(request).id!);
        key.label = bodyOf<{ label?: string }>(request).label ?? key.label;
        events.notify("user_ssh_key_update", entityOf("user_ssh_key", "/profile/sshkeys", key));
        return key;
    });
    app.delete("/profile/sshkeys/:id", (request) => {
        const key = sshKeys.get(ids(request).id!);
        sshKeys.remove(key.id);
        events.notify("user_ssh_key_delete", entityOf("user_ssh_key", "/profile/sshkeys", key));
        return {};
    });
};

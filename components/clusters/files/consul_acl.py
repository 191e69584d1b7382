"""Makes Consul's ACL system what a plan says: creates and updates by name, removes what an earlier plan made, unless it is
told that somebody may still use that."""

# Descriptions of what plans make begin with this.
MARK = "gatehouse: "


class Acl:
    def __init__(self, api, plan, keep):
        self.api = api
        self.plan = plan
        self.keep = keep
        self.summary = {"created": [], "updated": [], "removed": [], "unchanged": 0}

    def settle(self, what, there, wanted, path, there_path):
        """Writes `wanted` unless all of it is there; returns what is there then."""
        if there is None:
            self.summary["created"].append(what)
            return self.api("PUT", path, wanted)
        if any(plain(there.get(field)) != value for field, value in wanted.items()):
            self.summary["updated"].append(what)
            return self.api("PUT", there_path, wanted)
        self.summary["unchanged"] += 1
        return there

    def policies(self):
        for policy in self.plan["policies"]:
            name = policy["name"]
            there = self.api.get(f"/v1/acl/policy/name/{name}")
            wanted = {"Name": name, "Description": policy["description"], "Rules": policy["rules"]}
            self.settle(f"policy {name}", there, wanted, "/v1/acl/policy", there and f"/v1/acl/policy/{there['ID']}")

    def roles(self):
        for role in self.plan["roles"]:
            name = role["name"]
            there = self.api.get(f"/v1/acl/role/name/{name}")
            wanted = {"Name": name, "Description": role["description"], "Policies": links(role["policies"])}
            self.settle(f"role {name}", there, wanted, "/v1/acl/role", there and f"/v1/acl/role/{there['ID']}")

    def tokens(self):
        """Returns the accessors of all tokens of the plan."""
        accessors = set()
        for token in self.plan["tokens"]:
            what = token["description"].removeprefix(MARK)
            there = self.token(token["secret"])
            if there is None and self.accessor(token["accessor"]):
                # A token's secret cannot be changed.
                self.api("DELETE", f"/v1/acl/token/{token['accessor']}")
                self.summary["removed"].append(f"token {what} with another secret")
            wanted = {
                "AccessorID": there["AccessorID"] if there else token["accessor"],
                "SecretID": token["secret"],
                "Description": token["description"],
                "Policies": links(token["policies"]),
                "NodeIdentities": token["nodeIdentities"],
            }
            path = "/v1/acl/token"
            self.settle(f"token {what}", there, wanted, path, f"{path}/{wanted['AccessorID']}")
            accessors.add(wanted["AccessorID"])
        return accessors

    def token(self, secret):
        """The token with this secret: it is the same one even if it was made under another accessor."""
        return self.unless_forbidden("/v1/acl/token/self", secret)

    def accessor(self, accessor):
        return self.unless_forbidden(f"/v1/acl/token/{accessor}")

    def unless_forbidden(self, path, token=None):
        # Consul says 403 of a token that it does not know.
        try:
            return self.api.get(path, token=token)
        except Refused as refusal:
            if refusal.status != 403:
                raise
            return None

    def auth_methods(self):
        for method in self.plan["authMethods"]:
            name = method["name"]
            path = f"/v1/acl/auth-method/{name}"
            wanted = {
                "Name": name,
                "Type": method["type"],
                "Description": method["description"],
                "Config": method["config"],
            }
            self.settle(f"auth method {name}", self.api.get(path), wanted, "/v1/acl/auth-method", path)

    def binding_rules(self):
        """Returns the ids of all rules of the plan."""
        rules = {rule.get("Description"): rule for rule in self.api.get("/v1/acl/binding-rules") or []}
        ids = set()
        for rule in self.plan["bindingRules"]:
            there = rules.get(rule["description"])
            wanted = {
                "Description": rule["description"],
                "AuthMethod": rule["authMethod"],
                "BindType": rule["bindType"],
                "BindName": rule["bindName"],
                "Selector": rule["selector"],
            }
            path = "/v1/acl/binding-rule"
            what = f"binding rule {rule['description'].removeprefix(MARK)}"
            ids.add(self.settle(what, there, wanted, path, there and f"{path}/{there['ID']}")["ID"])
        return ids

    def remove(self, kind, listing, path, key, keep):
        """Removes what carries the mark and is not to be kept."""
        for each in self.api.get(listing) or []:
            description = each.get("Description", "")
            if not description.startswith(MARK) or each[key] in keep:
                continue
            try:
                self.api("DELETE", f"{path}/{each[key]}")
            except Refused as refusal:
                # Somebody else was faster.
                if refusal.status != 404:
                    raise
            self.summary["removed"].append(f"{kind} {each.get('Name') or description.removeprefix(MARK)}")

    def run(self):
        # Counted anew by every attempt.
        self.summary["unchanged"] = 0
        names = {kind: {each["name"] for each in self.plan[kind]} for kind in ["policies", "roles", "authMethods"]}
        self.policies()
        self.roles()
        accessors = self.tokens()
        self.auth_methods()
        rules = self.binding_rules()
        if self.keep:
            return
        # Users of a thing go before the thing.
        self.remove("binding rule", "/v1/acl/binding-rules", "/v1/acl/binding-rule", "ID", rules)
        self.remove("auth method", "/v1/acl/auth-methods", "/v1/acl/auth-method", "Name", names["authMethods"])
        self.remove("token", "/v1/acl/tokens", "/v1/acl/token", "AccessorID", accessors)
        self.remove_named("role", "/v1/acl/roles", "/v1/acl/role", names["roles"])
        self.remove_named("policy", "/v1/acl/policies", "/v1/acl/policy", names["policies"])

    def remove_named(self, kind, listing, path, names):
        """Known by their names, removed by their ids."""
        keep = {each["ID"] for each in self.api.get(listing) or [] if each["Name"] in names}
        self.remove(kind, listing, path, "ID", keep)


def links(names):
    return [{"Name": name} for name in names]


def plain(value):
    """Consul adds ids to names, and leaves out lists that are empty."""
    if isinstance(value, list):
        return [{k: v for k, v in each.items() if k != "ID"} if isinstance(each, dict) else each for each in value]
    return [] if value is None else value


def run(arguments, plan):
    SECRETS.update(plan["management"], (token["secret"] for token in plan["tokens"]))
    api = Api(arguments["api"])
    acl = Acl(api, plan, arguments["keep"])

    def attempt():
        api.token = management(api, plan["management"])
        acl.run()

    persist(arguments["timeout"], attempt)
    return acl.summary

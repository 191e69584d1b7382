"""Makes etcd's users and roles what a plan says, and turns its authentication on.

It may be interrupted anywhere: the next run looks at what there is. What it has made is in the key RECORD, which root alone
may write; so what others have made stays. Until all is there for the first time authentication is off, and whoever has a
client's certificate may do everything.
"""

RECORD = "/access/made"

# The user who may do everything, and the role that makes it so: etcd wants both by this name.
ROOT = "root"


class Access:
    def __init__(self, etcd, plan, keep):
        self.etcd = etcd
        self.plan = plan
        self.keep = keep
        self.enabled = False
        self.summary = {"created": [], "updated": [], "removed": [], "enabled": False}

    def ask(self, path, **body):
        return self.etcd.ask(f"/v3/auth/{path}", body)

    def run(self):
        self.enabled = self.knows(self.etcd)
        if self.enabled is None:
            raise Hopeless(
                "root's password is not the one that this stack has made: somebody has changed it. A member's file "
                "/etc/etcd/root-password has this stack's; set it by `etcdctl user passwd root`"
            )
        wanted = {kind: [each["name"] for each in self.plan[kind]] for kind in ("users", "roles")}
        made = json.loads(self.etcd.get(RECORD)[0] or "{}")
        # Before anything is made, so that an interrupted run leaves nothing that nobody knows.
        self.remember({kind: sorted({*wanted[kind], *made.get(kind, [])}) for kind in wanted}, made)
        self.roles()
        self.users()
        if not self.enabled:
            self.ask("enable")
            self.summary["enabled"] = True
        if self.keep:
            return
        for user in self.spare("user", "users", made, wanted):
            self.ask("user/delete", name=user)
        for role in self.spare("role", "roles", made, wanted):
            self.ask("role/delete", role=role)
        self.remember({kind: sorted(wanted[kind]) for kind in wanted}, None)

    @staticmethod
    def knows(etcd):
        """Whether etcd knows this user by this password; False while it asks nobody, None if it does not."""
        try:
            etcd.authenticate()
        except EtcdRefused as error:
            if "authentication failed" in error.text:
                return None
            raise
        return etcd.token is not None

    def remember(self, record, before):
        if record != before:
            self.etcd.put(RECORD, json.dumps(record))

    def roles(self):
        there = self.ask("role/list").get("roles") or []
        if ROOT not in there:
            self.ask("role/add", name=ROOT)
        for role in self.plan["roles"]:
            name = role["name"]
            if name not in there:
                self.ask("role/add", name=name)
                self.summary["created"].append(f"role {name}")
            wanted = {span(each["prefix"]): each["access"].upper() for each in role["prefixes"]}
            found = self.ask("role/get", role=name).get("perm") or []
            has = {(each.get("key", ""), each.get("range_end", "")): each.get("permType", "READ") for each in found}
            for (key, end), access in wanted.items():
                if has.get((key, end)) != access:
                    self.ask("role/grant", name=name, perm={"permType": access, "key": key, "range_end": end})
                    self.changed(f"role {name}")
            for key, end in has.keys() - wanted.keys():
                self.ask("role/revoke", role=name, key=key, range_end=end)
                self.changed(f"role {name}")

    def users(self):
        there = self.ask("user/list").get("users") or []
        for user in self.plan["users"]:
            name, password = user["name"], user["password"]
            if name not in there:
                self.ask("user/add", name=name, password=password)
                self.summary["created"].append(f"user {name}")
            elif not self.has(name, password):
                self.ask("user/changepw", name=name, password=password)
                self.changed(f"user {name}")
            has = self.ask("user/get", name=name).get("roles") or []
            if user["role"] not in has:
                self.ask("user/grant", user=name, role=user["role"])
                self.changed(f"user {name}")
            for role in has:
                if role != user["role"]:
                    self.ask("user/revoke", name=name, role=role)
                    self.changed(f"user {name}")

    def has(self, name, password):
        """etcd tells nobody's password while it asks for none: then it is set."""
        return bool(self.enabled and self.knows(self.etcd.like(name, password)))

    def changed(self, what):
        if what not in self.summary["created"] + self.summary["updated"]:
            self.summary["updated"].append(what)

    def spare(self, word, kind, made, wanted):
        there = self.ask(f"{word}/list").get(kind) or []
        spare = [each for each in made.get(kind, []) if each in there and each not in wanted[kind]]
        self.summary["removed"] += [f"{word} {each}" for each in spare]
        return spare


def span(prefix):
    """A prefix's keys, as etcd's roles name them."""
    return b64(prefix), b64(after_prefix(prefix))


def run(arguments, plan):
    SECRETS.update(each["password"] for each in plan["users"])
    root = next(each for each in plan["users"] if each["name"] == ROOT)
    etcd = Etcd({**arguments["etcd"], "user": ROOT}, root["password"])
    access = Access(etcd, plan, arguments["keep"])

    def attempt():
        try:
            access.run()
        except EtcdRefused as error:
            raise Unready(str(error)) if error.status >= 500 else Hopeless(str(error)) from None

    persist(arguments["timeout"], attempt)
    return access.summary

"""The turn where Consul is the store, and Consul and Nomad are the clusters: put behind turn.py."""


class ConsulStore:
    """Consul's KV store, as it is now and not as a server that was left behind remembers it."""

    def __init__(self, consul):
        self.consul = consul

    def get(self, key):
        """A key's value and its index; (None, 0) without the key."""
        found = self.consul.get(f"/v1/kv{key}?consistent")
        return self.entry(found[0]) if found else (None, 0)

    def under(self, prefix):
        """Keys that begin with the prefix: key → value and index."""
        found = self.consul.get(f"/v1/kv{prefix}?recurse&consistent") or []
        return {f"/{each['Key']}": self.entry(each) for each in found}

    @staticmethod
    def entry(found):
        return base64.b64decode(found["Value"] or "").decode(errors="replace"), found["ModifyIndex"]

    def put(self, key, value):
        self.consul.put(f"/v1/kv{key}", value)

    def put_if(self, key, value, index):
        """Whether it was written: only while the key has this index; 0: while there is no key."""
        return self.consul.put(f"/v1/kv{key}?cas={index}", value)

    def delete(self, key):
        self.consul.ask("DELETE", f"/v1/kv{key}")

    def delete_if(self, key, index):
        return self.consul.ask("DELETE", f"/v1/kv{key}?cas={index}")


class ConsulClusters:
    """What Consul, and Nomad where there is one, say of this node and the others."""

    name = "Consul"
    kind = "agent"
    clear = "consul kv delete gatehouse/turn"

    def __init__(self, settings, consul, nomad, caller):
        self.settings, self.caller = settings, caller
        self.me, self.role = settings["node"], settings["role"]
        self.consul, self.nomad = consul, nomad
        self.store = ConsulStore(consul)
        # The node's allocations, if it runs jobs.
        self.work = Work(nomad, self.me, caller) if nomad and settings["jobs"] else None
        self.unanswered = (
            f"Consul does not answer on {self.me}, so nobody can say whether the cluster would do without it. "
            "Start it (systemctl status consul)"
        )

    # --- who answers

    def answers(self, seconds):
        """Whether anybody can be asked for the turn."""
        return self.consul.answers(seconds)

    # An agent that does not answer here is no working member.
    works = answers

    def answering(self, seconds):
        """The same without a Nomad that does not answer."""
        if self.nomad is None or self.nomad.answers(seconds):
            return self
        return ConsulClusters(self.settings, self.consul, None, self.caller)

    def instance(self):
        return members(self.consul).get(self.me, {}).get("id", "")

    def seen(self, record):
        """Who has the turn, as its cluster sees it: its status, and what changes with its machine."""
        return members(self.consul).get(record.get("node"), {"status": "not a member"})

    # --- their health

    def health(self, expected, without, phase):
        """What keeps this node from going. Its own troubles do not: its turn is how they are mended."""
        raft = peers(self.consul)
        voters = voters_of(raft)
        if voters == [self.me] and len(expected) < 2:
            return []
        complaints = consul_complaints(self.consul, expected, without)
        if not complaints and len(voters) == 2 and self.me in voters and phase != "removing":
            complaints.append("Consul has two voters: the other is no majority")
        if not complaints and self.nomad is not None and self.role == "server":
            complaints += nomad_complaints(self.nomad, expected, without)
            # Servers that the plan does not have yet may still be joining.
            if not complaints and phase == "replacing" and len(self.nomad_voters() - {self.me}) < 2:
                complaints.append("Nomad has fewer than two other voters: they are no majority")
        return complaints

    def belongs(self, expected, without):
        """What keeps this node from being a healthy member of healthy clusters."""
        complaints = consul_complaints(self.consul, expected, without)
        mine = members(self.consul).get(self.me, {"status": "not a member", "id": None})
        if mine["status"] != "alive":
            complaints.append(f"Consul agent {self.me} is {mine['status']}")
        # By its id: the name may still be that of the machine before.
        votes = [each["ID"] for each in peers(self.consul) if each["Voter"]]
        if self.role == "server" and mine["id"] not in votes:
            complaints.append(f"Consul server {self.me} is not a voter")
        if self.nomad is not None:
            if self.role == "server":
                complaints += nomad_complaints(self.nomad, {*expected, self.me}, without)
                own = self.nomad.get("/v1/agent/self")["member"]["Tags"]["id"]
                health = self.nomad.get("/v1/operator/autopilot/health", accept=(429,))
                if own not in [each["ID"] for each in health["Servers"] if each["Voter"]]:
                    complaints.append(f"Nomad server {self.me} is not a voter")
            if self.work is not None and self.work.id() is None:
                complaints.append(f"Nomad client {self.me} is not ready")
        return complaints

    def forget_predecessor(self):
        """Consul keeps a machine in its catalogue until its members have missed it, and refuses another one of its name
        meanwhile. One that has booted before that is taken for the one before, which then stays for ever."""
        known = self.consul.get(f"/v1/catalog/node/{self.me}")
        if not known:
            return [f"{self.me} is not in Consul's catalogue"]
        own = self.consul.get("/v1/agent/self")
        if known["Node"]["ID"] == own["Config"]["NodeID"]:
            return []
        if known["Node"]["Address"] != own["Member"]["Addr"]:
            return [f"another machine is {self.me} in Consul's catalogue: {known['Node']['Address']}"]
        self.consul.put("/v1/catalog/deregister", {"Node": self.me})
        # The agent tries to register itself again every now and then, and after this.
        self.consul.put("/v1/agent/reload")
        return [f"Consul's catalogue has the machine before under the name {self.me}"]

    def silent(self, complaints):
        """Servers that do not answer, besides those that are complained of."""
        return silent_servers(self.consul, complaints)

    # --- the servers' places

    def alone(self):
        """Whether this node is the cluster's only server: nobody can stand in for it."""
        return self.role == "server" and voters_of(peers(self.consul)) == [self.me]

    def sole(self):
        """The systems whose only voter this node is: what they hold is nowhere else."""
        if self.role != "server":
            return []
        found = ["Consul"] if self.alone() else []
        return found + (["Nomad"] if self.nomad is not None and self.nomad_voters() == {self.me} else [])

    def in_company(self):
        """Whether others are there, though they may not vote yet."""
        return len(peers(self.consul)) > 1

    def leads_others(self):
        raft = peers(self.consul)
        return leader_of(raft) == self.me and voters_of(raft) != [self.me]

    def nomad_voters(self):
        health = self.nomad.get("/v1/operator/autopilot/health", accept=(429,))
        return {plain_name(each) for each in (health or {}).get("Servers") or [] if each["Voter"]}

    # --- going

    def hand_over(self, wait):
        """Lets another server lead, in Consul and in Nomad. `wait`: until a test is true."""
        handed = []
        if leader_of(peers(self.consul)) == self.me and not self.alone():
            self.consul.ask("POST", "/v1/operator/raft/transfer-leader")
            wait(lambda: leader_of(peers(self.consul)) not in (None, self.me))
            handed.append("consul")
        if self.nomad is not None and self.hand_over_nomad(wait):
            handed.append("nomad")
        return handed

    def hand_over_nomad(self, wait):
        servers = self.nomad.get("/v1/operator/autopilot/health", accept=(429,)).get("Servers") or []
        leads = [each for each in servers if each["Leader"] and plain_name(each) == self.me]
        others = [each for each in servers if each["Healthy"] and each["Voter"] and plain_name(each) != self.me]
        if not leads or not others:
            return False
        best = max(others, key=lambda each: each["LastIndex"])
        self.nomad.put(f"/v1/operator/raft/transfer-leadership?id={best['ID']}")

        def another():
            leader = self.nomad.get("/v1/status/leader")
            return bool(leader) and leader != leads[0]["Address"]

        wait(another)
        return True

    def leave(self, units):
        """For good. The units stop meanwhile or afterwards."""
        leave_nomad(self, units)
        leave_consul(self.consul)


def leave_nomad(clusters, units):
    """What cannot be done here, Nomad's Autopilot does when it sees the agent failed."""
    nomad = clusters.nomad
    units = [unit for unit in units if unit.startswith("nomad")]
    try:
        if clusters.work is not None:
            clusters.work.forget()
            if clusters.role == "client":
                end_at_once(units)
        if nomad is not None and clusters.role == "server":
            health = nomad.get("/v1/operator/autopilot/health", accept=(429,))
            mine = [each["ID"] for each in health.get("Servers") or [] if plain_name(each) == clusters.me]
            for server in mine:
                nomad.ask("DELETE", f"/v1/operator/raft/peer?id={server}")
    except AGENT_ERRORS as error:
        print(f"Nomad is left as after a failure: {described(error)}", file=sys.stderr)
    if nomad is not None and clusters.role == "server":
        say_farewell(units)
    stop(units)


def end_at_once(units):
    """With its next heartbeat a client would hear that nobody knows it, and come in anew, for a day. What ran on it is
    elsewhere already."""
    for unit in units:
        systemctl("kill", "--kill-who=main", "--signal=SIGKILL", unit, check=False)


def say_farewell(units, seconds=20):
    """A server that ends by SIGTERM tells its peers that it leaves; otherwise they would look for it for a day, and keep
    the keys of gossip as they are meanwhile. Systemd stops it with SIGINT, as if for a restart."""
    deadline = time.monotonic() + seconds
    for unit in units:
        systemctl("kill", "--kill-who=main", "--signal=SIGTERM", unit, check=False)
        while systemctl("is-active", unit, check=False).returncode == 0 and time.monotonic() < deadline:
            time.sleep(LOOK)


def leave_consul(consul, seconds=30):
    """The agent tells its peers, a server gives up its vote, and ends."""
    try:
        consul.put("/v1/agent/leave", timeout=seconds)
    except OSError:
        pass  # It may end before it has answered.
    deadline = time.monotonic() + seconds
    while consul.answers(0):
        if time.monotonic() > deadline:
            raise Failed(f"Consul has not left its cluster within {seconds} s")
        time.sleep(LOOK)


def clusters_of(settings, secrets, caller):
    """The clusters that this node is a member of."""
    consul = Agent("Consul", settings["consul"]["api"], {"X-Consul-Token": secrets.get("consul") or ""})
    nomad = settings.get("nomad")
    if nomad is not None:
        nomad = Agent("Nomad", nomad["api"], {"X-Nomad-Token": secrets.get("nomad") or ""}, nomad.get("ca"))
    return ConsulClusters(settings, consul, nomad, caller)

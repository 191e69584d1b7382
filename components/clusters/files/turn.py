"""The turn: the right to take one member of the clusters away for a while. One node has it at a time.

It is a key in Consul, `gatehouse/turn`: {node, instance, since, why, phase, beat}, made and removed by check-and-set.
It is no session's lock: it has to outlive the machine that takes it. `instance` is Consul's node id, which changes with
the machine. While a process works under the turn it raises `beat`; between the end of a machine and the first look at
its successor nobody does.

Those who wait say so in `gatehouse/waiting/<node>`, again and again, so that the leader can let the others go first.
`gatehouse/plan` has the servers that ought to be there, as the program knows them: an update of the other nodes' inputs
for every server that comes or goes would touch nodes that do not change.

An update can be killed at each point. What is left, and who clears it up:

| killed                                          | left                                | cleared by
|-------------------------------------------------|-------------------------------------|------------------------------------------
| while a node waits                              | its entry among the waiting         | the script sees that its SSH session is gone and removes it; an entry that stays the same for 10 s does not count
| while it drains or hands over                   | the turn, a drained client          | the script sees that its session is gone, makes the client eligible and gives the turn back
| after that, the machine is still the old one    | the turn (phase "replacing")        | the next update takes this node's turn again, which is its own; if the change was taken back: whoever waits takes the turn over when it has seen this very machine alive and the turn untouched for 60 s
| the machine is deleted, or boots                | the turn; the node is away          | the next update makes the machine and its gate gives the turn back; others wait
| the machine is back, its gate has not run       | the turn                            | the next update's gate; or the 60 s, if the whole cluster is healthy
| while `configure` writes, restarts, or waits    | the turn (phase "configuring"), files written, units not restarted | the next `configure`: the turn is its own, and its record says which units run on older files
| nothing, but a changed node is not well         | the turn (phase "failed"), the old files back in place | whoever waited gives up: the same change would harm it, too; the next update's first taker takes it over when the cluster is healthy
| while a removed node drains or hands over       | as above                            | as above, and the removal is tried again
| while a removed node leaves the clusters        | the turn (phase "leaving")          | a turn of a node that has left is anybody's; the removal, tried again, finds that it has left
| the node is removed from the program, its machine is gone | the turn                  | a turn of a node that is neither in the plan nor alive is anybody's
| the script itself, by SIGKILL                   | as for the update, without the tidying | the 60 s and 10 s
"""

# Seconds for which a living node's turn has to be untouched before another may take it over. Between the end of the
# script that takes the turn and the machine's own end the engine does nothing else.
ABANDONED = 60

# Seconds after which an entry among the waiting that is not renewed counts no more.
STALE = 10

# Seconds for which a leader looks around before it believes that nobody else waits: updates start together.
SETTLE = 3

# Seconds between two signs of life.
BEAT = 2

WORDS = {"replacing": "to be replaced", "configuring": "to change its configuration", "removing": "to leave"}


class Turn:
    KEY = "/v1/kv/gatehouse/turn"
    WAITING = "/v1/kv/gatehouse/waiting/"
    PLAN = "/v1/kv/gatehouse/plan"

    def __init__(self, settings, consul, nomad, caller, phase):
        self.me = settings["node"]
        self.role = settings["role"]
        self.timeout = settings["timeout"]
        self.abandoned = settings.get("abandoned", ABANDONED)
        self.consul, self.nomad, self.caller = consul, nomad, caller
        self.phase = phase
        self.why = WORDS[phase]
        self.since = stamp()
        self.beat = 0
        self.waiting = {}
        self.failures = None
        self.writing = threading.Lock()
        self.stopped = threading.Event()

    # --- the keys

    def value(self, path):
        """A key's value and its index; (None, 0) without the key."""
        found = self.consul.get(f"{path}?consistent")
        if not found:
            return None, 0
        text = base64.b64decode(found[0]["Value"] or "")
        try:
            return json.loads(text), found[0]["ModifyIndex"]
        except ValueError:
            # Somebody's own hand; it counts as a turn that nobody can name.
            return {"node": text.decode(errors="replace")}, found[0]["ModifyIndex"]

    def record(self):
        return self.value(self.KEY)

    def expected(self):
        """The servers of the plan; none before there is one."""
        return (self.value(self.PLAN)[0] or {}).get("servers", [])

    def write(self, index):
        with self.writing:
            self.beat += 1
            value = {
                "node": self.me,
                "instance": self.instance,
                "since": self.since,
                "why": self.why,
                "phase": self.phase,
                "beat": self.beat,
            }
            return self.consul.put(f"{self.KEY}?cas={index}", value)

    def enter(self, phase):
        """Says how far the work has come."""
        self.phase = phase
        # A sign of life may come between the look and the write.
        for _ in range(20):
            if self.renew():
                return
            time.sleep(LOOK / 5)

    def renew(self):
        record, index = self.record()
        return bool(record) and record.get("node") == self.me and self.write(index)

    # --- taking

    def take(self):
        """Waits for the turn; returns the seconds that it took. Fails when nothing moves for too long."""
        started = progress = time.monotonic()
        said = seen = None
        same_since = started
        try:
            while True:
                self.caller.check()
                now = time.monotonic()
                try:
                    record, index = self.record()
                    if index != seen:
                        seen, progress = index, now
                    everybody = members(self.consul)
                    self.instance = everybody.get(self.me, {}).get("id", "")
                    holder = (record or {}).get("node")
                    sight = (index, everybody.get(holder))
                    if sight != said:
                        said, same_since = sight, now
                    complaints = self.against(record, everybody, now - same_since)
                    if not complaints:
                        away = everybody.get(holder, {}).get("status") != "alive"
                        complaints = self.health({self.me, holder} if away else {self.me})
                    if not complaints:
                        complaints = self.courtesy(now, now - started)
                    if not complaints and self.write(index):
                        break
                except AGENT_ERRORS as error:
                    complaints = [described(error)]
                self.announce(now)
                if complaints and now - progress > self.timeout:
                    raise Failed(self.given_up(complaints))
                time.sleep(LOOK)
        finally:
            self.withdraw()
        threading.Thread(target=self.keep, daemon=True).start()
        return round(time.monotonic() - started, 1)

    def against(self, record, everybody, same):
        """Why somebody else's turn has to be respected; nothing when it is free, this node's own, or left behind."""
        if not record or record["node"] == self.me:
            self.failures = self.failures or []
            return []
        node = record["node"]
        failure = (node, record.get("since")) if record.get("phase") == "failed" else None
        if self.failures is None:
            # What had failed before this node began to wait belongs to an earlier update.
            self.failures = [failure]
        if failure is not None and failure not in self.failures:
            raise Failed(f"{self.me} is left as it is, because the change has failed on {node}")
        status = everybody.get(node, {"status": "not a member"})["status"]
        if status == "alive":
            if failure is not None or same >= self.abandoned:
                return []
        elif record.get("phase") == "leaving" or (self.expected() and not self.planned(node)):
            return []
        since, why = record.get("since", "some time"), record.get("why", "unknown")
        return [f"{node} has the turn since {since} ({why}); its agent is {status}"]

    def planned(self, node):
        plan = self.value(self.PLAN)[0] or {}
        return node in plan.get("servers", []) + plan.get("clients", [])

    def health(self, without):
        """What keeps this node from going. Its own troubles do not: its turn is how they are mended."""
        raft = peers(self.consul)
        voters = voters_of(raft)
        if voters == [self.me] and len(self.expected()) < 2:
            return []
        complaints = consul_complaints(self.consul, self.expected(), without)
        if not complaints and len(voters) == 2 and self.me in voters and self.phase != "removing":
            complaints.append("Consul has two voters: the other is no majority")
        if not complaints and self.nomad is not None and self.role == "server":
            complaints += nomad_complaints(self.nomad, self.expected(), without)
            # Servers that the plan does not have yet may still be joining.
            if not complaints and self.phase == "replacing" and len(self.nomad_voters() - {self.me}) < 2:
                complaints.append("Nomad has fewer than two other voters: they are no majority")
        return complaints

    def alone(self):
        """Whether this node is the cluster's only server: nobody can stand in for it."""
        return self.role == "server" and voters_of(peers(self.consul)) == [self.me]

    def sole(self):
        """The systems whose only voter this node is: what they hold is nowhere else."""
        if self.role != "server":
            return []
        found = ["Consul"] if self.alone() else []
        return found + (["Nomad"] if self.nomad is not None and self.nomad_voters() == {self.me} else [])

    def nomad_voters(self):
        health = self.nomad.get("/v1/operator/autopilot/health", accept=(429,))
        return {plain_name(each) for each in (health or {}).get("Servers") or [] if each["Voter"]}

    def courtesy(self, now, waited):
        """Servers that go before the leader."""
        raft = peers(self.consul)
        if leader_of(raft) != self.me or voters_of(raft) == [self.me]:
            return []
        others = sorted(name for name, role in self.others(now).items() if role == "server")
        if others:
            return [f"this node leads: {', '.join(others)} go first"]
        return ["this node leads: others may want to go first"] if waited < SETTLE else []

    def others(self, now):
        """Who else waits, as far as the entries are fresh."""
        fresh = {}
        for entry in self.consul.get(f"{self.WAITING}?recurse&consistent") or []:
            name = entry["Key"].rsplit("/", 1)[1]
            if name == self.me:
                continue
            index, first = self.waiting.get(name, (None, now))
            if index != entry["ModifyIndex"]:
                index, first = entry["ModifyIndex"], now
            self.waiting[name] = (index, first)
            if now - first < STALE:
                fresh[name] = json.loads(base64.b64decode(entry["Value"])).get("role")
            else:
                self.consul.ask("DELETE", f"{self.WAITING}{name}?cas={index}")
        return fresh

    def announce(self, now):
        if now - self.waiting.get(self.me, 0) < BEAT:
            return
        self.waiting[self.me] = now
        try:
            # The time makes it another value: an equal one would not count as written.
            self.consul.put(f"{self.WAITING}{self.me}", {"role": self.role, "since": self.since, "at": time.time()})
        except AGENT_ERRORS:
            pass  # What is wrong is said elsewhere; without an entry the leader may go first.

    def withdraw(self):
        if self.me in self.waiting:
            try:
                self.consul.ask("DELETE", f"{self.WAITING}{self.me}")
            except AGENT_ERRORS:
                pass  # It goes stale.

    def given_up(self, complaints):
        lines = [f"{self.me} did not get its turn {self.why}: nothing has moved for {self.timeout:g} s."]
        lines += [f"    {each}" for each in complaints + silent_servers(self.consul, complaints)]
        if any("has the turn" in each for each in complaints):
            lines.append("If no update works on that node any more: consul kv delete gatehouse/turn")
        return "\n".join(lines)

    # --- having it

    def keep(self):
        """Signs of life, while the process works. The agent may be restarting."""
        while not self.stopped.wait(BEAT):
            try:
                self.renew()
            except AGENT_ERRORS:
                pass

    def rest(self):
        """The process ends, the turn stays: with the machine that goes, or with a node that is not well."""
        self.stopped.set()

    def fail(self):
        """The node is not well after its change: those who wait shall not follow it."""
        self.stopped.set()
        try:
            self.enter("failed")
        except AGENT_ERRORS:
            pass  # Nobody else is given the turn for a while, and only if the cluster is healthy.

    def adopt(self):
        """Goes on with a turn that this node has from before. Whether it has one."""
        try:
            record, index = self.record()
            if not record or record["node"] != self.me:
                return False
            self.instance = members(self.consul).get(self.me, {}).get("id", "")
            self.since, self.why = record.get("since", self.since), record.get("why", self.why)
            if not self.write(index):
                return False
        except AGENT_ERRORS:
            return False
        threading.Thread(target=self.keep, daemon=True).start()
        return True

    def give_back(self, seconds=15):
        """Whether this node had the turn. Nobody else's is touched."""
        self.stopped.set()
        deadline = time.monotonic() + seconds
        while True:
            try:
                with self.writing:
                    record, index = self.record()
                    if not record or record["node"] != self.me:
                        return False
                    if self.consul.ask("DELETE", f"{self.KEY}?cas={index}"):
                        return True
            except AGENT_ERRORS:
                if time.monotonic() > deadline:
                    raise
            time.sleep(LOOK)

    # --- handing over

    def hand_over(self, seconds=20):
        """Lets another server lead, in Consul and in Nomad, before this one goes."""
        handed = []
        if self.role != "server":
            return handed
        if leader_of(peers(self.consul)) == self.me and not self.alone():
            self.consul.ask("POST", "/v1/operator/raft/transfer-leader")
            self.wait_for(seconds, lambda: leader_of(peers(self.consul)) not in (None, self.me))
            handed.append("consul")
        if self.nomad is not None and self.hand_over_nomad(seconds):
            handed.append("nomad")
        return handed

    def hand_over_nomad(self, seconds):
        def health():
            return self.nomad.get("/v1/operator/autopilot/health", accept=(429,)).get("Servers") or []

        servers = health()
        leads = [each for each in servers if each["Leader"] and plain_name(each) == self.me]
        others = [each for each in servers if each["Healthy"] and each["Voter"] and plain_name(each) != self.me]
        if not leads or not others:
            return False
        best = max(others, key=lambda each: each["LastIndex"])
        self.nomad.put(f"/v1/operator/raft/transfer-leadership?id={best['ID']}")

        def another():
            leader = self.nomad.get("/v1/status/leader")
            return bool(leader) and leader != leads[0]["Address"]

        self.wait_for(seconds, another)
        return True

    def wait_for(self, seconds, done):
        deadline = time.monotonic() + seconds
        while True:
            try:
                if done():
                    return
            except AGENT_ERRORS:
                pass  # An election.
            self.caller.check()
            if time.monotonic() > deadline:
                raise Failed(f"{self.me} has handed its leadership over, and no other server leads after {seconds} s")
            time.sleep(LOOK)


class Work:
    """The allocations of a node that runs jobs, and whether it takes more of them."""

    def __init__(self, nomad, node, caller):
        self.nomad, self.node, self.caller = nomad, node, caller

    def id(self):
        """A replaced machine leaves its old node behind for a while, under the same name and down."""
        nodes = [each for each in self.nomad.get("/v1/nodes") if each["Name"] == self.node]
        ready = [each for each in nodes if each["Status"] == "ready"]
        return (ready or [{"ID": None}])[0]["ID"]

    def drain(self, deadline):
        """Moves the allocations elsewhere; those that do not go are stopped at the deadline (seconds), or as soon as
        nobody else is left who could move."""
        node = self.id()
        if node is None:
            return False
        self.ask_to_go(node, deadline)
        end = time.monotonic() + deadline + 60
        forced = False
        while True:
            self.caller.check()
            try:
                left = self.left(node)
                if left and not forced and self.pinned(node):
                    forced = True
                    self.ask_to_go(node, -1e-9)
            except AGENT_ERRORS as error:
                left = [described(error)]
            if not left:
                return True
            if time.monotonic() > end:
                raise Failed(f"{self.node} is not drained after {deadline + 60:g} s: {', '.join(left[:5])}")
            time.sleep(LOOK)

    def ask_to_go(self, node, deadline):
        specification = {"Deadline": round(deadline * 1e9), "IgnoreSystemJobs": True}
        body = {"DrainSpec": specification, "MarkEligible": False, "Meta": {"message": "gatehouse: its machine goes"}}
        self.nomad.put(f"/v1/node/{node}/drain", body)

    def left(self, node):
        if self.nomad.get(f"/v1/node/{node}")["DrainStrategy"]:
            return ["Nomad still moves its allocations"]
        return [each["Name"] for each in self.allocations(node)]

    def allocations(self, node):
        return [
            each
            for each in self.nomad.get(f"/v1/node/{node}/allocations") or []
            if each["ClientStatus"] in ("pending", "running")
            and (each.get("Job") or {}).get("Type") not in ("system", "sysbatch")
        ]

    def pinned(self, node):
        """Whether the allocations that are left are all such that no other node may have them by their jobs' constraints:
        Nomad would let them run here until the deadline, and no longer time would bring them elsewhere."""
        left = self.allocations(node)
        return bool(left) and all(self.has_no_other_node(each) for each in left)

    def has_no_other_node(self, allocation):
        job = urllib.parse.quote(allocation["JobID"], safe="")
        namespace = urllib.parse.quote(allocation["Namespace"], safe="")
        for evaluation in self.nomad.get(f"/v1/job/{job}/evaluations?namespace={namespace}") or []:
            found = (evaluation.get("FailedTGAllocs") or {}).get(allocation["TaskGroup"])
            # Room may become free; a constraint does not go away.
            if evaluation["Status"] == "blocked" and found and not found["NodesExhausted"]:
                return True
        return False

    def welcome(self):
        """Makes the client eligible if it was drained for our sake."""
        node = self.id()
        if node is None:
            return False
        found = self.nomad.get(f"/v1/node/{node}")
        if found["SchedulingEligibility"] == "eligible":
            return False
        meta = (found.get("LastDrain") or {}).get("Meta") or {}
        if not meta.get("message", "").startswith("gatehouse:"):
            return False
        if found["DrainStrategy"]:
            self.nomad.put(f"/v1/node/{node}/drain", {"DrainSpec": None, "MarkEligible": True})
        else:
            self.nomad.put(f"/v1/node/{node}/eligibility", {"Eligibility": "eligible"})
        return True

    def forget_predecessors(self):
        """Nomad keeps a machine that is no more in its list for a day, under the name that its successor has."""
        own = self.nomad.get("/v1/agent/self")["stats"]["client"]["node_id"]
        for each in self.nomad.get("/v1/nodes"):
            if each["Name"] == self.node and each["ID"] != own:
                self.nomad.put(f"/v1/node/{each['ID']}/purge")

    def forget(self):
        """Removes the client from Nomad's catalogue; its agent has to stop at once."""
        node = self.id()
        if node is not None:
            self.nomad.put(f"/v1/node/{node}/purge")


def work_of(settings, nomad, caller):
    """The node's allocations, if it runs jobs."""
    return Work(nomad, settings["node"], caller) if nomad and settings["jobs"] else None


def belongs(turn, work):
    """What keeps this node from being a healthy member of healthy clusters. Who has the turn may be away."""
    holder = (turn.record()[0] or {}).get("node")
    without = {holder} - {turn.me, None}
    complaints = consul_complaints(turn.consul, turn.expected(), without)
    mine = members(turn.consul).get(turn.me, {"status": "not a member", "id": None})
    if mine["status"] != "alive":
        complaints.append(f"Consul agent {turn.me} is {mine['status']}")
    # By its id: the name may still be that of the machine before.
    votes = [each["ID"] for each in peers(turn.consul) if each["Voter"]]
    if turn.role == "server" and mine["id"] not in votes:
        complaints.append(f"Consul server {turn.me} is not a voter")
    if turn.nomad is not None:
        if turn.role == "server":
            complaints += nomad_complaints(turn.nomad, {*turn.expected(), turn.me}, without)
            own = turn.nomad.get("/v1/agent/self")["member"]["Tags"]["id"]
            health = turn.nomad.get("/v1/operator/autopilot/health", accept=(429,))
            if own not in [each["ID"] for each in health["Servers"] if each["Voter"]]:
                complaints.append(f"Nomad server {turn.me} is not a voter")
        if work is not None and work.id() is None:
            complaints.append(f"Nomad client {turn.me} is not ready")
    return complaints


def forget_predecessor(turn):
    """Consul keeps a machine in its catalogue until its members have missed it, and refuses another one of its name
    meanwhile. One that has booted before that is taken for the one before, which then stays for ever."""
    known = turn.consul.get(f"/v1/catalog/node/{turn.me}")
    if not known:
        return [f"{turn.me} is not in Consul's catalogue"]
    own = turn.consul.get("/v1/agent/self")
    if known["Node"]["ID"] == own["Config"]["NodeID"]:
        return []
    if known["Node"]["Address"] != own["Member"]["Addr"]:
        return [f"another machine is {turn.me} in Consul's catalogue: {known['Node']['Address']}"]
    turn.consul.put("/v1/catalog/deregister", {"Node": turn.me})
    # The agent tries to register itself again every now and then, and after this.
    turn.consul.put("/v1/agent/reload")
    return [f"Consul's catalogue has the machine before under the name {turn.me}"]


def settle(machine, turn, work, adopt=False):
    """Waits until the node is a healthy member, lets it work again and gives its turn back. Returns what it did. `adopt`:
    the turn is from before, and is kept alive from when the clusters can be asked for it."""
    started = time.monotonic()
    while True:
        if adopt and turn.adopt():
            adopt = False
        complaints = complaints_of(lambda: belongs(turn, work)) + complaints_of(lambda: forget_predecessor(turn))
        if not complaints:
            break
        turn.caller.check()
        if time.monotonic() - started > turn.timeout:
            lines = [f"{turn.me} is not a healthy member after {turn.timeout:g} s:"]
            complaints += silent_servers(turn.consul, complaints)
            turn.fail()
            raise Failed("\n".join(lines + [f"    {each}" for each in complaints]))
        time.sleep(LOOK)
    result = {"seconds": round(time.monotonic() - started, 1)}
    if work is not None and work.welcome():
        result["eligible"] = True
    if work is not None:
        # If Nomad does not answer just now, it forgets them by itself tomorrow.
        complaints_of(lambda: work.forget_predecessors() or [])
    # From here on the machine has something to lose.
    if machine.standing != "member":
        machine.standing = "member"
    if turn.give_back():
        result["turn"] = "given back"
    return result

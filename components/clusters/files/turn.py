"""The turn: the right to take one member of the clusters away for a while. One node has it at a time.

It is a key in the store that the nodes share, Consul's or etcd's: `gatehouse/turn`: {node, role, instance, since, why,
phase, beat}, made and removed by check-and-set. It is no session's lock: it has to outlive the machine that takes it.
`instance` is an id that changes with the machine. While a process works under the turn it raises `beat`; between the end of
a machine and the first look at its successor nobody does.

Those who wait say so in `gatehouse/waiting/<node>`, again and again, so that the leader can let the others go first.
`gatehouse/plan` has the servers that ought to be there, as the program knows them: an update of the other nodes' inputs
for every server that comes or goes would touch nodes that do not change.

What the clusters themselves have to say is asked of `clusters_of(...)`, see consul_turn.py and etcd_turn.py: one of them is
put behind this file. Who is alive, in the table below, is for them to say; of etcd's clients see etcd_turn.py.

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

import threading

# Seconds for which a living node's turn has to be untouched before another may take it over. Between the end of the
# script that takes the turn and the machine's own end the engine does nothing else.
ABANDONED = 60

# Seconds after which an entry among the waiting that is not renewed counts no more.
STALE = 10

# Seconds for which a leader looks around before it believes that nobody else waits: updates start together.
SETTLE = 3

# Seconds between two signs of life.
BEAT = 2

# How far Raft's indexes may lie apart. Autopilot's figures are up to two seconds old, and a busy cluster writes on.
NEAR = 100

WORDS = {"replacing": "to be replaced", "configuring": "to change its configuration", "removing": "to leave"}

PLAN = "/gatehouse/plan"


class Turn:
    KEY = "/gatehouse/turn"
    WAITING = "/gatehouse/waiting/"

    def __init__(self, settings, clusters, caller, phase):
        self.me = settings["node"]
        self.role = settings["role"]
        self.timeout = settings["timeout"]
        self.abandoned = settings.get("abandoned", ABANDONED)
        self.clusters, self.store, self.caller = clusters, clusters.store, caller
        self.phase = phase
        self.why = WORDS[phase]
        self.since = stamp()
        self.beat = 0
        self.waiting = {}
        self.failures = None
        self.writing = threading.Lock()
        self.stopped = threading.Event()

    # --- the keys

    def value(self, key):
        """A key's value and its index; (None, 0) without the key."""
        text, index = self.store.get(key)
        if text is None:
            return None, 0
        try:
            return json.loads(text), index
        except ValueError:
            # Somebody's own hand; it counts as a turn that nobody can name.
            return {"node": text}, index

    def record(self):
        return self.value(self.KEY)

    def expected(self):
        """The servers of the plan; none before there is one."""
        return (self.value(PLAN)[0] or {}).get("servers", [])

    def write(self, index):
        with self.writing:
            self.beat += 1
            value = {
                "node": self.me,
                "role": self.role,
                "instance": self.instance,
                "since": self.since,
                "why": self.why,
                "phase": self.phase,
                "beat": self.beat,
            }
            return self.store.put_if(self.KEY, json.dumps(value), index)

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
                    self.instance = self.clusters.instance()
                    holder = self.clusters.seen(record or {})
                    sight = (index, holder)
                    if sight != said:
                        said, same_since = sight, now
                    complaints = self.against(record, holder, now - same_since)
                    if not complaints:
                        away = {(record or {}).get("node")} if holder["status"] != "alive" else set()
                        complaints = self.clusters.health(self.expected(), {self.me, *away}, self.phase)
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

    def against(self, record, holder, same):
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
        status = holder["status"]
        if status == "alive":
            if failure is not None or same >= self.abandoned:
                return []
        elif record.get("phase") == "leaving" or (self.expected() and not self.planned(node)):
            return []
        since, why = record.get("since", "some time"), record.get("why", "unknown")
        return [f"{node} has the turn since {since} ({why}); its {self.clusters.kind} is {status}"]

    def planned(self, node):
        plan = self.value(PLAN)[0] or {}
        return node in plan.get("servers", []) + plan.get("clients", [])

    def courtesy(self, now, waited):
        """Servers that go before the leader."""
        if not self.clusters.leads_others():
            return []
        others = sorted(name for name, role in self.others(now).items() if role == "server")
        if others:
            return [f"this node leads: {', '.join(others)} go first"]
        return ["this node leads: others may want to go first"] if waited < SETTLE else []

    def others(self, now):
        """Who else waits, as far as the entries are fresh."""
        fresh = {}
        for key, (text, last) in self.store.under(self.WAITING).items():
            name = key.rsplit("/", 1)[1]
            if name == self.me:
                continue
            index, first = self.waiting.get(name, (None, now))
            if index != last:
                index, first = last, now
            self.waiting[name] = (index, first)
            if now - first < STALE:
                fresh[name] = json.loads(text).get("role")
            else:
                self.store.delete_if(key, index)
        return fresh

    def announce(self, now):
        if now - self.waiting.get(self.me, 0) < BEAT:
            return
        self.waiting[self.me] = now
        try:
            # The time makes it another value: an equal one would not count as written.
            entry = {"role": self.role, "since": self.since, "at": time.time()}
            self.store.put(f"{self.WAITING}{self.me}", json.dumps(entry))
        except AGENT_ERRORS:
            pass  # What is wrong is said elsewhere; without an entry the leader may go first.

    def withdraw(self):
        if self.me in self.waiting:
            try:
                self.store.delete(f"{self.WAITING}{self.me}")
            except AGENT_ERRORS:
                pass  # It goes stale.

    def given_up(self, complaints):
        lines = [f"{self.me} did not get its turn {self.why}: nothing has moved for {self.timeout:g} s."]
        lines += [f"    {each}" for each in complaints + self.clusters.silent(complaints)]
        if any("has the turn" in each for each in complaints):
            lines.append(f"If no update works on that node any more: {self.clusters.clear}")
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
            self.instance = self.clusters.instance()
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
                    if self.store.delete_if(self.KEY, index):
                        return True
            except AGENT_ERRORS:
                if time.monotonic() > deadline:
                    raise
            time.sleep(LOOK)

"""The turn where etcd is the store and the cluster: put behind turn.py and etcd_api.py.

Its nodes are members of etcd ("server"), and machines that run none of it ("client"). Nobody watches a client, and none of
its processes says that it is alive. So its turn itself says where it is: in the phase "replacing" its machine is away
until its gate has opened, and nobody takes that turn over but the node, or anybody once the plan is without it. The gate
always comes: before a machine is asked to go, the engine has forgotten its gate, and the next update opens it anew, whether
the machine was replaced or the change was taken back. In any other phase the machine is taken to be alive: 60 s without a
sign of life from the script at work there end the turn.
"""


class SharedEtcd(Etcd):
    """One question at a time: signs of life come from a thread of their own."""

    def __init__(self, settings, password):
        super().__init__(settings, password)
        self.lock = threading.RLock()

    def ask(self, *arguments, **options):
        return self.one_by_one(super().ask, *arguments, **options)

    def status(self, endpoint):
        return self.one_by_one(super().status, endpoint)

    def known_members(self, endpoint):
        """The members as one of them knows them. That takes no majority, and no user: only a majority lets one in."""
        path = "/v3/cluster/member/list"
        return self.one_by_one(super().ask_once, path, {"linearizable": False}, endpoint, 2).get("members") or []

    def one_by_one(self, question, *arguments, **options):
        with self.lock:
            try:
                return question(*arguments, **options)
            except EtcdRefused as error:
                raise Refused(str(error)) from None


class EtcdClusters:
    """What etcd says of this node and the others."""

    name = "etcd"
    kind = "machine"
    clear = "etcdctl del /gatehouse/turn"
    work = None

    def __init__(self, settings, etcd):
        self.me, self.role = settings["node"], settings["role"]
        self.etcd = self.store = etcd
        self.unanswered = (
            f"No member of etcd answers {self.me} ({', '.join(etcd.endpoints)}), so nobody can say whether the cluster "
            "would do without it. Start it on its members (systemctl status etcd)"
        )

    # --- who answers

    def answers(self, seconds):
        """Whether anybody can be asked for the turn: any member, whatever it says of the others."""
        return self.eventually(seconds, lambda: bool(self.listed()))

    def works(self, seconds):
        """Whether this node does its part: a member that does not answer is no working one. A client has none."""
        return self.role != "server" or self.eventually(seconds, self.own_answers)

    def own_answers(self):
        mine = named(self.listed(), self.me)
        return mine is not None and self.said_by(mine)["header"]["member_id"] == mine["ID"]

    @staticmethod
    def eventually(seconds, test):
        deadline = time.monotonic() + seconds
        while True:
            try:
                if test():
                    return True
            except AGENT_ERRORS:
                pass  # What is wrong is said where somebody waits for it.
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK)

    def answering(self, _seconds):
        return self

    def listed(self):
        """The members as the first that answers knows them."""
        problem = None
        for endpoint in list(self.etcd.endpoints):
            try:
                return self.etcd.known_members(endpoint)
            except AGENT_ERRORS as error:
                problem = error
        raise problem

    def said_by(self, member):
        """What a member says of itself."""
        return self.etcd.status(address_of(member))

    def instance(self):
        if self.role == "server":
            return (named(self.etcd.members(), self.me) or {}).get("ID", "")
        with open("/etc/machine-id", encoding="utf8") as file:
            return file.read().strip()

    def seen(self, record):
        """Who has the turn: its status, and what changes with its machine."""
        if record.get("role") == "client":
            away = record.get("phase") in ("replacing", "leaving")
            return {"status": "away" if away else "alive", "id": record.get("instance")}
        member = named(self.etcd.members(), record.get("node"))
        if member is None:
            return {"status": "not a member"}
        try:
            alive = self.said_by(member)["header"]["member_id"] == member["ID"]
        except AGENT_ERRORS:
            alive = False
        return {"status": "alive" if alive else "silent", "id": member["ID"]}

    # --- its health

    def health(self, expected, without, phase):
        """What keeps this node from going. Its own troubles do not: its turn is how they are mended."""
        listed = self.etcd.members()
        voters = voting(listed)
        if voters == [self.me] and len(expected) < 2:
            return []
        complaints = self.complaints(listed, expected, without)
        if not complaints and self.me in voters:
            # The others that do not count as away have just been seen to be well.
            others = [name for name in voters if name not in without and name != self.me]
            voices = len(voters) - (1 if phase == "removing" else 0)
            if len(others) <= voices // 2:
                complaints.append(f"etcd would have {len(others)} of {voices} voters without {self.me}: no majority")
        return complaints

    def complaints(self, listed, expected, without):
        """What is missing for a healthy etcd. `expected`: those that have to be there; `without`: whose absence is known."""
        names = [each.get("name") for each in listed]
        complaints = [f"{name} is not a member of etcd" for name in expected if name not in [*names, *without]]
        leaders, indexes = set(), {}
        for member in listed:
            name = member.get("name")
            if name in without:
                continue
            said, trouble = self.look_at(member)
            if trouble is None:
                leaders.add(said["leader"])
                indexes[name] = int(said["raftIndex"])
            elif expected and name and name not in expected:
                complaints.append(f"{trouble}; the plan is without it: etcdctl member remove {int(member['ID']):x}")
            else:
                complaints.append(trouble)
        if not complaints and len(leaders) > 1:
            complaints.append("the members of etcd do not agree on who leads")
        if indexes and max(indexes.values()) - min(indexes.values()) > NEAR:
            last = min(indexes, key=indexes.get)
            complaints.append(f"etcd member {last} is {max(indexes.values()) - indexes[last]} Raft entries behind")
        return complaints

    def look_at(self, member):
        """What a member says of itself, and why it is not well: None if it is."""
        name = member.get("name")
        if not name:
            return None, f"a member of etcd has not started yet: {', '.join(member['peerURLs'])}"
        if member.get("isLearner"):
            return None, f"etcd member {name} does not vote yet"
        try:
            said = self.said_by(member)
        except AGENT_ERRORS as error:
            return None, f"etcd member {name} does not answer at {address_of(member)} ({error})"
        if said["header"]["member_id"] != member["ID"]:
            return said, f"another member answers at {address_of(member)} than {name}, which is listed there"
        if said.get("leader", "0") == "0":
            return said, f"etcd member {name} knows no leader"
        # Alarms among them: no space, or data that differ from the others'.
        alarms = ", ".join(each.strip() for each in said.get("errors", []))
        return said, f"etcd member {name} reports: {alarms}" if alarms else None

    def belongs(self, expected, without):
        """What keeps this node from being a healthy member, or a machine, of a healthy cluster. That the machine's own units
        run has been seen when it was configured."""
        listed = self.etcd.members()
        complaints = self.complaints(listed, expected, without)
        if self.role == "server" and self.me not in expected and named(listed, self.me) is None:
            complaints.append(f"{self.me} is not a member of etcd")
        return complaints

    def forget_predecessor(self):
        """A member's place is its successor's when that has joined."""
        return []

    def silent(self, complaints):
        """Members that are not well, besides those that are complained of: without a majority nobody says more."""
        said = " ".join(complaints)
        try:
            others = [each for each in self.listed() if each.get("name") and each["name"] not in said]
        except AGENT_ERRORS:
            return []
        return [trouble for _, trouble in map(self.look_at, others) if trouble]

    # --- the members' places

    def alone(self):
        """Whether this node is the only voter: nobody can stand in for it."""
        return self.role == "server" and voting(self.etcd.members()) == [self.me]

    def sole(self):
        return ["etcd"] if self.alone() else []

    def in_company(self):
        """Whether others are there, though they may not vote yet."""
        return len(self.etcd.members()) > 1

    def leads_others(self):
        return self.leading(self.etcd.members()) is not None

    def leading(self, listed):
        """This node's member, if it leads others."""
        mine = named(listed, self.me)
        if self.role != "server" or mine is None or voting(listed) == [self.me]:
            return None
        try:
            return mine if self.said_by(mine).get("leader") == mine["ID"] else None
        except AGENT_ERRORS:
            return None  # It leads nobody.

    # --- going

    def hand_over(self, wait):
        """Lets the member lead that has most of what this one has. `wait`: until a test is true."""
        listed = self.etcd.members()
        mine = self.leading(listed)
        looks = [(self.look_at(each), each) for each in listed if mine is not None and each is not mine]
        well = [(int(said["raftIndex"]), each["ID"]) for (said, trouble), each in looks if trouble is None]
        if not well:
            return []
        self.etcd.move_leader(address_of(mine), max(well)[1])
        wait(lambda: self.said_by(mine).get("leader", "0") not in ("0", mine["ID"]))
        return ["etcd"]

    def leave(self, _units, seconds=30):
        """A member gives its place up. The others refuse that for a while after one of them has come or gone."""
        deadline = time.monotonic() + seconds
        while self.role == "server":
            try:
                mine = named(self.etcd.members(), self.me)
                if mine is None:
                    return
                self.etcd.remove(mine["ID"])
            except AGENT_ERRORS as error:
                if time.monotonic() > deadline:
                    raise Failed(f"{self.me} is still a member of etcd after {seconds} s: {described(error)}") from None
            time.sleep(LOOK)


def named(listed, name):
    return next((each for each in listed if each.get("name") == name), None)


def voting(listed):
    return sorted(each.get("name", "") for each in listed if not each.get("isLearner"))


def address_of(member):
    return member["clientURLs"][0]


def clusters_of(settings, secrets, _caller):
    """The cluster that this node is a member or a client of."""
    return EtcdClusters(settings, SharedEtcd(settings["etcd"], secrets.get("etcd")))

"""How this machine's etcd comes into its cluster, and what remains to be done when it runs.

    etcd-member prepare SETTINGS    before every start: writes the configuration that etcd starts with
    etcd-member settle SETTINGS     after every start: makes a voter of a learner, and remembers who it is
    etcd-member healthy SETTINGS    fails unless it is a voter that has a leader and can read what the majority has
    etcd-member alarms SETTINGS     fails while an alarm is on or the store is nearly full, and names the remedy

| this machine has  | the cluster                              | etcd starts
|-------------------|------------------------------------------|--------------------------------------------
| data              | has this member, or does not answer      | with its data
| data              | has removed this member                  | as a learner; the data are put aside
| no data, a seed   | does not answer, or still expects it     | as a founder of a new cluster
| no data           | answers                                  | as a learner, in the place of its predecessor
| no data, no seed  | does not answer                          | not before the cluster answers

A machine gets its seed once, when the cluster is made; its successor gets none. So a founder that has lost its data, or
a member that cannot reach the others, never begins a second cluster with the old one's name.

Every step may be interrupted: the next start looks at what there is. A learner that never started is removed and added
anew; a seed goes when the member has once been ready.
"""

import grp
import os
import shutil
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

# Seconds between two looks.
LOOK = 0.25

# Seconds that the others have to say whether there is a cluster; the second, where a member has its data: all of them may
# be starting. Members that wait for a majority accept a connection and say nothing.
ANSWER = 2
SHORT_ANSWER = 0.5

# The part of its quota that a store may fill before somebody has to look.
NEARLY_FULL = 0.8


class Waiting(Exception):
    """Why the member cannot start yet, in words for a person."""


class Member:
    def __init__(self, settings):
        self.settings = settings
        self.name = settings["name"]
        self.members = settings["members"]
        self.data = os.path.join(settings["data"], "member")
        self.troubles = {}
        with open(settings["password"], encoding="utf8") as file:
            self.password = file.read().strip()

    @property
    def own(self):
        return self.members[self.name]

    @property
    def others(self):
        return {name: each for name, each in self.members.items() if name != self.name}

    def etcd(self, endpoints):
        return Etcd({**self.settings["tls"], "user": "root", "endpoints": endpoints}, self.password)

    def status(self):
        return self.etcd([]).status(self.own["client"])

    # --- what there is

    def has_data(self):
        """Whether etcd has been a member here: it keeps a log from then on."""
        log = os.path.join(self.data, "wal")
        return os.path.isdir(log) and any(each.endswith(".wal") for each in os.listdir(log))

    def seeded(self):
        return read(self.settings["seed"]) == self.settings["token"]

    def agreed(self, seconds):
        """Who answers, and the members as a majority agrees on them; neither without one."""
        found = []
        self.troubles = dict.fromkeys(self.others, "no answer")

        def look(name, endpoint):
            try:
                found.append((endpoint, Etcd({**self.settings["tls"], "endpoints": [endpoint]}).agreed_members(seconds)))
            except (OSError, ValueError, EtcdRefused) as error:
                self.troubles[name] = str(error)

        looks = [
            threading.Thread(target=look, args=(name, each["client"]), daemon=True) for name, each in self.others.items()
        ]
        for each in looks:
            each.start()
        deadline = time.monotonic() + seconds
        while any(each.is_alive() for each in looks) and not found and time.monotonic() < deadline:
            time.sleep(0.01)
        return found[0] if found else (None, None)

    def is_listed(self, listed):
        identity = read(self.settings["identity"])
        if identity:
            return any(each["ID"] == identity for each in listed)
        return bool(self.entries(listed))

    def entries(self, listed):
        """Its own and its predecessors'."""
        return [each for each in listed if each.get("name") == self.name or self.own["peer"] in each["peerURLs"]]

    def expected(self, listed):
        """Whether the cluster is being made and waits for this founder: who has been ready has told its clients' URL."""
        return any(
            self.own["peer"] in each["peerURLs"] and not each.get("clientURLs") and not each.get("isLearner")
            for each in listed
        )

    # --- before a start

    def decide(self):
        """etcd's `initial-cluster-state` and `initial-cluster`."""
        endpoint, listed = self.agreed(SHORT_ANSWER if self.has_data() else ANSWER)
        founders = {name: each["peer"] for name, each in self.members.items()}
        if self.has_data():
            if listed is None or self.is_listed(listed):
                # etcd looks at neither of them then.
                return "existing", founders
            print(f"the cluster has removed {self.name}: its data are put aside", flush=True)
        self.put_aside()
        if self.seeded() and (listed is None or self.expected(listed)):
            return "new", founders
        if listed is None:
            raise Waiting(f"{self.name} has no data, and {self.silence()}")
        return "existing", self.join(endpoint, listed)

    def silence(self):
        if not self.others:
            return "it is the only member"
        others = ", ".join(f"{name} ({trouble})" for name, trouble in sorted(self.troubles.items()))
        return f"no majority of its cluster answers; it waits for {others}"

    def put_aside(self):
        """The last data stay, for a person who may want them; so does what an interrupted first start has left."""
        forget(self.settings["identity"])
        if os.path.isdir(self.data):
            aside = os.path.join(self.settings["data"], "removed")
            shutil.rmtree(aside, ignore_errors=True)
            os.rename(self.data, aside)

    def join(self, endpoint, listed):
        """Takes its place as a learner: one that does not count for the majority until it knows what the others know."""
        mine = [each["ID"] for each in self.entries(listed)]
        learners = [each for each in listed if each.get("isLearner") and each["ID"] not in mine]
        if learners:
            raise Waiting(f"{called(learners[0])} is still a learner: the cluster takes one at a time")
        etcd = self.etcd([endpoint])
        for each in mine:
            etcd.remove(each)
            print(f"{self.name}: its predecessor {each} is no member any more", flush=True)
        identity = etcd.add_learner(self.own["peer"])
        write(self.settings["identity"], identity)
        everybody = etcd.members()
        print(f"{self.name} joins as a learner", flush=True)
        return {
            **{called(each): url for each in everybody for url in each["peerURLs"] if each["ID"] != identity},
            self.name: self.own["peer"],
        }

    def configure(self, state, cluster):
        with open(self.settings["template"], encoding="utf8") as file:
            text = file.read()
        text += f"initial-cluster-state: {state}\n"
        text += f"initial-cluster: {','.join(f'{name}={url}' for name, url in sorted(cluster.items()))}\n"
        write(self.settings["configuration"], text, 0o640, grp.getgrnam(self.settings["group"]).gr_gid)


def called(member):
    """One that has not started yet has no name."""
    return member.get("name") or member["ID"]


def read(path):
    try:
        with open(path, encoding="utf8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return None


def write(path, text, mode=0o600, group=-1):
    """All of it or nothing."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=os.path.dirname(path))
    with os.fdopen(handle, "w", encoding="utf8") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
        os.fchown(file.fileno(), -1, group)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def forget(path):
    if os.path.exists(path):
        os.unlink(path)


def patiently(member, attempt, remedy):
    """attempt()'s result. What time may heal is said once, and tried again until the patience is at its end."""
    said = None
    deadline = time.monotonic() + member.settings["patience"]
    while True:
        try:
            return attempt()
        except (Waiting, OSError, ValueError, EtcdRefused) as error:
            complaint = str(error)
        if complaint != said:
            said = complaint
            print(complaint, flush=True)
        if time.monotonic() > deadline:
            sys.exit(f"{complaint}: still so after {member.settings['patience']} s. {remedy}")
        time.sleep(LOOK)


def prepare(member):
    remedy = (
        "See whether etcd.service runs on the other members (systemctl status etcd.service). If most of them have lost "
        "their data, a snapshot brings them back, also while they wait: make restore INTO=running (docs/snapshots.md)."
    )
    member.configure(*patiently(member, member.decide, remedy))


def settle(member):
    def attempt():
        status = member.status()
        if status.get("isLearner"):
            # It refuses until the learner has what the others have.
            member.etcd([each["client"] for each in member.others.values()]).promote(status["header"]["member_id"])
            print(f"{member.name} votes", flush=True)
        return status["header"]["member_id"]

    remedy = "See whether the other members run (systemctl status etcd.service on each)."
    write(member.settings["identity"], patiently(member, attempt, remedy))
    forget(member.settings["seed"])


def healthy(member):
    """A full store is no fault of the change that is being made."""
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(f"{member.settings['metrics']}/health?exclude=NOSPACE", timeout=5).close()
        if member.status().get("isLearner"):
            sys.exit(f"{member.name} is still a learner")
    except urllib.error.HTTPError as error:
        sys.exit(f"{member.name}: {error.read().decode(errors='replace').strip()[:300]}")
    except (OSError, EtcdRefused) as error:
        sys.exit(f"{member.name} does not answer: {error}")


def alarms(member):
    try:
        status = member.status()
    except (OSError, EtcdRefused) as error:
        sys.exit(f"{member.name} does not answer: {error}")
    said = " ".join(status.get("errors") or [])
    quota = member.settings["quota"]
    size, used = int(status.get("dbSize", 0)), int(status.get("dbSizeInUse", 0))
    sizes = f"{size >> 20} MiB of {quota >> 20} MiB, of which {used >> 20} MiB are in use"
    compact = (
        "Delete what is not needed, then, as root of etcd: `etcdctl compact REVISION` with the revision that "
        "`etcdctl endpoint status -w json` says, `etcdctl defrag --cluster`, `etcdctl alarm disarm`. "
        "A larger quota can be set when no alarm is on."
    )
    if "CORRUPT" in said:
        sys.exit(f"alarm: the members' data differ ({said}). Replace the member that is named: its successor copies the data.")
    if "NOSPACE" in said:
        sys.exit(f"alarm: the store is full and takes no more writes ({sizes}). {compact}")
    if size > NEARLY_FULL * quota:
        sys.exit(f"the store is nearly full ({sizes}). {compact}")


def main():
    actions = {"prepare": prepare, "settle": settle, "healthy": healthy, "alarms": alarms}
    with open(sys.argv[2], encoding="utf8") as file:
        settings = json.load(file)
    actions[sys.argv[1]](Member(settings))


if __name__ == "__main__":
    main()

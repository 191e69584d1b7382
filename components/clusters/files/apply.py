"""Puts a node's files in place and makes the units run on them: nothing is touched that does not change.

`files.json` remembers the files that are there for us, and for every unit the files that it was last started with. A
unit whose entry lacks a file, or has another version of it, is reloaded or restarted, so an interrupted run is finished
by the next: entries are removed before files are written and come back when the unit does its work.
"""

import copy
import glob
import grp
import hashlib
import pwd
import stat
import tempfile

UNIT_FOLDERS = ("/etc/systemd/", "/run/systemd/", "/usr/lib/systemd/", "/lib/systemd/", "/usr/local/lib/systemd/")

# A unit that came up and went down again this often does not stay up.
RESTARTS = 3


class Files:
    """The files on disk, and how to get back to what was there."""

    def __init__(self, wanted, remembered):
        self.wanted = {each["path"]: each for each in wanted}
        self.stale = sorted(set(remembered) - set(self.wanted))
        self.changed = sorted(path for path, each in self.wanted.items() if self.differs(path, each))
        self.before = {}

    @staticmethod
    def digest(file):
        return hashlib.sha256("\0".join([file["content"], file["mode"], file["owner"]]).encode()).hexdigest()

    @staticmethod
    def ids(owner):
        user, _, group = owner.partition(":")
        try:
            return pwd.getpwnam(user).pw_uid, grp.getgrnam(group or user).gr_gid
        except KeyError:
            raise Failed(f"this machine has no user and group {owner}: its package or user data has to make them") from None

    def differs(self, path, file):
        try:
            state = os.lstat(path)
            if not stat.S_ISREG(state.st_mode) or stat.S_IMODE(state.st_mode) != int(file["mode"], 8):
                return True
            if (state.st_uid, state.st_gid) != self.ids(file["owner"]):
                return True
            with open(path, "rb") as current:
                return current.read() != file["content"].encode()
        except OSError:
            return True

    def put(self):
        """All drafts first, so that a full disk changes nothing; then one rename after the other."""
        drafts = {}
        try:
            for path in self.changed:
                drafts[path] = self.draft(path, self.wanted[path])
            for path in self.changed + self.stale:
                self.before[path] = self.current(path)
            for path in list(drafts):
                os.replace(drafts[path], path)
                del drafts[path]
        finally:
            for draft in drafts.values():
                os.unlink(draft)
        for path in self.stale:
            if os.path.lexists(path):
                os.unlink(path)

    def tell_systemd(self):
        if any(path.startswith(UNIT_FOLDERS) for path in self.changed + self.stale):
            systemctl("daemon-reload")

    def draft(self, path, file):
        owner = self.ids(file["owner"])
        folder = os.path.dirname(path)
        os.makedirs(folder, mode=0o755, exist_ok=True)
        # The name begins with a dot: programs that read whole folders leave it alone.
        handle, draft = tempfile.mkstemp(prefix=".gatehouse-", dir=folder)
        try:
            with os.fdopen(handle, "wb") as target:
                target.write(file["content"].encode())
                os.fchown(target.fileno(), *owner)
                os.fchmod(target.fileno(), int(file["mode"], 8))
                target.flush()
                os.fsync(target.fileno())
        except BaseException:
            os.unlink(draft)
            raise
        return draft

    @staticmethod
    def current(path):
        try:
            state = os.lstat(path)
            if not stat.S_ISREG(state.st_mode):
                return None
            with open(path, "rb") as file:
                return file.read(), stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid
        except OSError:
            return None

    def put_back(self):
        for path, before in self.before.items():
            if before is None:
                if os.path.lexists(path):
                    os.unlink(path)
                continue
            content, mode, user, group = before
            handle, draft = tempfile.mkstemp(prefix=".gatehouse-", dir=os.path.dirname(path))
            with os.fdopen(handle, "wb") as target:
                target.write(content)
                os.fchown(target.fileno(), user, group)
                os.fchmod(target.fileno(), mode)
            os.replace(draft, path)


class Secrets:
    """Takes what is secret out of texts that people see."""

    def __init__(self, files, others):
        self.words = set(each for each in others if each)
        for file in files:
            if file["mode"] in ("0600", "0640"):
                self.words.update(self.strings(file["content"]))

    @classmethod
    def strings(cls, content):
        try:
            yield from (each for each in cls.values(json.loads(content)) if len(each) >= 12)
            return
        except ValueError:
            pass
        # Whatever stands between quotes, or alone, and is too long for a common word.
        for part in content.replace("'", '"').replace("\n", '"').split('"'):
            for word in {part.strip(), *part.split()}:
                if len(word) >= 12:
                    yield word

    @classmethod
    def values(cls, value):
        """The texts in a JSON document; a setting's name is none."""
        if isinstance(value, str):
            yield value
            yield from value.splitlines()
        elif isinstance(value, (list, dict)):
            for each in value.values() if isinstance(value, dict) else value:
                yield from cls.values(each)

    def clean(self, text):
        for word in sorted(self.words, key=len, reverse=True):
            text = text.replace(word, "(secret)")
        return text

    def lines(self, text, count=25):
        return "\n".join(f"    {line}" for line in self.clean(text).strip().splitlines()[-count:])


class Unit:
    """A systemd unit and how one knows that it does its work."""

    def __init__(self, definition, secrets):
        self.name = definition["name"]
        self.check_command = definition.get("check")
        self.healthy_command = definition.get("healthy")
        self.peers = definition.get("peers") or {}
        self.secrets = secrets

    def properties(self):
        wanted = (
            "ActiveState,SubState,NRestarts,Result,Type,ActiveEnterTimestampMonotonic,UnitFileState,"
            "ExecMainExitTimestampMonotonic"
        )
        lines = systemctl("show", self.name, f"--property={wanted}").stdout.splitlines()
        found = dict(line.split("=", 1) for line in lines)
        # Units other than services have fewer properties.
        return {**dict.fromkeys(wanted.split(","), ""), **found}

    @property
    def active(self):
        now = self.properties()
        return now["ActiveState"] in ("active", "reloading") or self.has_run(now)

    @staticmethod
    def has_run(now):
        """Whether it is a unit that does its work once and has done it."""
        ran = now["ExecMainExitTimestampMonotonic"] not in ("", "0")
        return now["Type"] == "oneshot" and now["ActiveState"] == "inactive" and now["Result"] == "success" and ran

    def check(self):
        if self.check_command is None:
            return
        code, said = self.run(self.check_command, 60)
        if code != 0:
            raise Failed(f"{self.name}: its new files are not right, and the old ones are back:\n{self.secrets.lines(said)}")

    @staticmethod
    def run(command, seconds):
        try:
            result = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                timeout=seconds, check=False, text=True, errors="replace",
            )
            return result.returncode, result.stdout
        except subprocess.TimeoutExpired:
            return 1, f"{command[0]} has not ended after {seconds} s"
        except OSError as error:
            return 1, str(error)

    def enable(self):
        """It starts at boot: by its own [Install] section, or because a target wants it."""
        state = self.properties()["UnitFileState"]
        if state == "disabled":
            systemctl("enable", self.name)
        elif state == "static":
            target = "gatehouse.target" if os.path.exists("/etc/systemd/system/gatehouse.target") else "multi-user.target"
            if self.name not in systemctl("show", target, "--property=Wants", "--value").stdout.split():
                systemctl("add-wants", target, self.name)

    def change(self, how):
        """`how`: "reload" or "restart", which starts what does not run."""
        # A unit that failed too often would refuse to start.
        systemctl("reset-failed", self.name, check=False)
        result = systemctl(how, self.name, check=False)
        if result.returncode != 0:
            raise Failed(f"{self.name}: {how} failed: {result.stderr.strip()}\n{self.last_lines()}")

    def wait(self, seconds, caller):
        """Until it does its work; fails at once when it does not stay up."""
        started = time.monotonic()
        restarts = None
        while True:
            now = self.properties()
            count = int(now["NRestarts"] or 0)
            restarts = count if restarts is None else restarts
            if now["ActiveState"] == "failed":
                raise Failed(f"{self.name} has failed ({now['Result']}). Its last lines:\n{self.last_lines()}")
            if count - restarts >= RESTARTS:
                raise Failed(f"{self.name} does not stay up. Its last lines:\n{self.last_lines()}")
            trouble = self.trouble(now)
            if trouble is None:
                return
            if time.monotonic() - started > seconds:
                lines = [f"{self.name} is not healthy after {seconds:g} s: {trouble}", *self.silent_peers()]
                raise Failed("\n".join(lines + [self.last_lines()]))
            caller.check()
            time.sleep(LOOK)

    def trouble(self, now):
        if now["ActiveState"] != "active" and not self.has_run(now):
            return f"it is {now['ActiveState']}"
        if self.healthy_command is not None:
            code, said = self.run(self.healthy_command, 10)
            return None if code == 0 else self.secrets.clean(said.strip()[-500:] or f"its check ends with code {code}")
        if now["SubState"] == "running":
            # A process with a broken configuration lives for a moment.
            since = int(now["ActiveEnterTimestampMonotonic"]) / 1e6
            if time.clock_gettime(time.CLOCK_MONOTONIC) - since < 1:
                return "it has just started"
        return None

    def silent_peers(self):
        """Those that it needs and that take no connection, each with what to look at."""
        silent = unreachable("its", self.peers, ())
        look = f"see whether that machine runs (docker ps) and {self.name} on it (systemctl status {self.name})"
        return [f"    {each}: {look}" for each in silent]

    def last_lines(self):
        said = subprocess.run(
            ["journalctl", f"--unit={self.name}", "--lines=25", "--no-pager", "--output=cat"],
            capture_output=True, text=True, check=False, errors="replace",
        )
        return self.secrets.lines(said.stdout)


class Record:
    """What this machine runs on, as far as we know."""

    def __init__(self, machine):
        self.machine = machine
        known = machine.read("files.json") or {}
        self.files = known.get("files", {})
        self.running = known.get("running", {})

    def copy(self):
        return copy.deepcopy((self.files, self.running))

    def restore(self, saved):
        self.files, self.running = copy.deepcopy(saved)
        self.save()

    def save(self):
        self.machine.write("files.json", {"files": self.files, "running": self.running})

    def how(self, unit, files):
        """What a unit needs: None, "reload" or "restart"."""
        mine = {path: file for path, file in files.wanted.items() if unit_of(file) == unit}
        known = self.running.get(unit, {})
        need = {
            mine[path]["unit"]["change"]
            for path in mine
            if path in files.changed or known.get(path, {}).get("digest") != Files.digest(mine[path])
        }
        # A file that is no more: as it was to be taken over.
        need |= {known[path]["change"] for path in known if path not in mine}
        return "restart" if "restart" in need else "reload" if need else None

    def forget(self, files):
        """Before the files are written: from now on nobody knows what the units run on."""
        for path in files.changed + files.stale:
            for known in self.running.values():
                if path in known:
                    known[path] = {**known[path], "digest": None}
        self.files.update({path: True for path in files.wanted})
        self.save()

    def done(self, unit, files):
        self.running[unit] = {
            path: {"digest": Files.digest(file), "change": file["unit"]["change"]}
            for path, file in files.wanted.items()
            if unit_of(file) == unit
        }
        self.save()


def unit_of(file):
    return (file.get("unit") or {}).get("name")


def apply(arguments, secrets):
    started = time.monotonic()
    caller = Caller()
    machine = Machine(arguments["state"], caller)
    machine.lock()
    record = Record(machine)
    configuration = secrets["configuration"]
    files = Files(configuration["files"], record.files)
    clean = Secrets(configuration["files"], [secrets.get(each) for each in ("consul", "nomad", "etcd")])
    units = [Unit(each, clean) for each in configuration["units"]]
    refuse_unknown(files, units)
    gone = sorted(set(record.running) - {unit.name for unit in units})
    plans = [(unit, record.how(unit.name, files)) for unit in units]
    # A unit that does not run has nothing to lose, and needs no reload.
    plans = [(unit, how if unit.active else "start") for unit, how in plans]
    result = {"changed": files.changed + files.stale, "restarted": [], "reloaded": []}
    needed = bool(gone) or any(how for _, how in plans)
    restarts = any(how == "restart" for _, how in plans)
    turn = take_turn(arguments, secrets, machine, caller, files, needed, restarts, result)

    saved = record.copy()
    if files.changed or files.stale:
        record.forget(files)
        files.put()
        files.tell_systemd()
        check_all(plans, files, record, saved, turn)
    for unit in gone:
        dismiss(unit)
        record.running.pop(unit)
    record.files = {path: True for path in files.wanted}
    record.save()
    try:
        bring_up(plans, files, record, patience(arguments, machine), caller, result)
    except Gone:
        raise
    except Failed as failure:
        back = undo(plans, files, record, saved, result)
        if turn is not None:
            turn.fail()
        raise Failed(f"{failure}\n{back}") from None
    if turn is not None:
        result["roll"] = settle(machine, turn)
    result["seconds"] = round(time.monotonic() - started, 1)
    return result


def patience(arguments, machine):
    """A unit that is new here may have to wait for peers that are still to come; what has worked before works soon."""
    roll = arguments.get("roll")
    if roll is None or machine.standing == "member":
        return arguments["timeout"]
    return max(arguments["timeout"], roll["timeout"])


def dismiss(unit):
    """Stops a unit whose file may be gone already, and forgets that it was wanted at boot."""
    systemctl("stop", unit, check=False)
    for wish in glob.glob(f"/etc/systemd/system/*.wants/{glob.escape(unit)}"):
        os.unlink(wish)
    systemctl("daemon-reload")
    systemctl("reset-failed", unit, check=False)


def refuse_unknown(files, units):
    unknown = {unit_of(file) for file in files.wanted.values()} - {unit.name for unit in units} - {None}
    if unknown:
        raise Failed(f"the configuration has files of units that it does not list: {', '.join(sorted(unknown))}")


def check_all(plans, files, record, saved, turn):
    """Asks the units' own programs whether they would take the files; if not, everything is as it was before."""
    try:
        for unit, how in plans:
            if how is not None:
                unit.check()
    except Failed:
        files.put_back()
        files.tell_systemd()
        record.restore(saved)
        if turn is not None:
            # Nothing has stopped: others may go on.
            turn.give_back()
        raise


def undo(plans, files, record, saved, result):
    """A change that does no good is taken back where something ran before: the engine, too, goes on from there."""
    touched = result["restarted"] + result["reloaded"]
    ran = [unit for unit, how in plans if how in ("restart", "reload") and unit.name in touched]
    if not ran:
        return "Its files stay for the next attempt."
    files.put_back()
    files.tell_systemd()
    record.restore(saved)
    for unit in ran:
        try:
            unit.change("restart")
        except Failed as failure:
            return f"The old files are back, but: {failure}"
    return f"The old files are back, and {', '.join(unit.name for unit in ran)} restarted on them."


def bring_up(plans, files, record, timeout, caller, result):
    """Units that run already change one after the other, each when the one before it does its work again. Those that do
    not run start together: they may wait for peers that are not there yet."""
    new = [unit for unit, how in plans if how == "start"]
    for unit in new:
        unit.enable()
        unit.change("restart")
        result["restarted"].append(unit.name)
    for unit, how in plans:
        if how is None:
            continue
        if how != "start":
            unit.enable()
            unit.change(how)
            result["restarted" if how == "restart" else "reloaded"].append(unit.name)
        unit.wait(timeout, caller)
        record.done(unit.name, files)


def expired_certificates(files):
    """Certificates on this machine that have ended and are about to be replaced."""
    return [path for path in files.changed if path.endswith(".pem") and has_expired(path)]


def has_expired(path):
    try:
        command = ["openssl", "x509", "-in", path, "-noout", "-checkend", "0"]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return False
    # Its exit code says as much of a file that is no certificate.
    return "Certificate will expire" in said


def take_turn(arguments, secrets, machine, caller, files, needed, restarts, result):
    """The turn, where this node is a working member of its cluster: only then there is something to lose."""
    roll = arguments.get("roll")
    if roll is None or machine.standing != "member":
        return None
    expired = expired_certificates(files)
    if expired:
        # Its peers refuse it, and it them: a cluster whose certificates have ended together has no turn to give.
        result["note"] = f"{', '.join(expired)} had expired: this node is no working member, and needs no turn"
        return None
    clusters = clusters_of(roll, secrets, caller)
    grace = roll.get("grace", 15)
    if not clusters.works(grace):
        result["note"] = f"{clusters.name} does not answer here: this node is no working member, and needs no turn"
        return None
    turn = Turn(roll, clusters, caller, "configuring")
    if not needed:
        # An interrupted run may have come as far as that.
        return turn if turn.adopt() else None
    # A Nomad that does not answer is perhaps what has to be mended.
    turn.clusters = clusters.answering(grace)
    result["waited"] = turn.take()
    try:
        if clusters.alone():
            result["note"] = "this is the only server: the service is interrupted"
        if restarts:
            hand_over(turn)
    except (Failed, *AGENT_ERRORS):
        turn.give_back()
        raise
    turn.clusters = clusters
    return turn


main(apply)

"""Puts a node's files in place and makes the units run on them: nothing is touched that does not change.

`files.json` remembers the files that are there for us, and for every unit the files that it was last started with. A
unit whose entry lacks a file, or has another version of it, is reloaded or restarted, so an interrupted run is finished
by the next: entries are removed before files are written and come back when the unit does its work.
"""

import copy
import glob


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
            # Before it is tried: one that fails at once is taken back, too.
            result["restarted" if how == "restart" else "reloaded"].append(unit.name)
            unit.change(how)
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

"""The units that run on a node's files, and what people may see of what they say."""

# A unit that came up and went down again this often does not stay up.
RESTARTS = 3


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

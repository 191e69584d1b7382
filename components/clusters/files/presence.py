"""A node's membership. "return": a machine that had left, and stayed, becomes a member again. "leave": for good: the turn,
the work moved away, leadership handed over, requests sent elsewhere, no peer of the servers any more, the agents stopped."""

# The agents' units must not be started again by systemd when the agents leave, nor at the next boot.
STOPPING = "[Service]\nRestart=no\n"


def come_back(arguments, _secrets):
    machine = Machine(arguments["state"], Caller())
    if machine.standing not in ("leaving", "left"):
        return {"presence": "member"}
    machine.lock()
    # The last to stop is the first that the others need.
    for unit in reversed(arguments["units"]):
        wanted(unit, True)
        restarting(unit, True)
        systemctl("start", unit)
    for unit in arguments.get("frontends", []):
        systemctl("start", unit)
    machine.standing = "member"
    return {"presence": "returned"}


def restarting(unit, allowed):
    folder = f"/run/systemd/system/{unit}.d"
    file = os.path.join(folder, "gatehouse-leaving.conf")
    if allowed:
        if os.path.exists(file):
            os.unlink(file)
    else:
        os.makedirs(folder, exist_ok=True)
        with open(file, "w", encoding="utf8") as text:
            text.write(STOPPING)
    systemctl("daemon-reload")


def wanted(unit, at_boot):
    # Whoever starts it at boot: its own [Install] section, or a target of ours.
    target = "/etc/systemd/system/gatehouse.target.d"
    marks = [os.path.join(target, f"{unit}.conf"), os.path.join(target, f"{unit}.conf.left")]
    if at_boot:
        marks.reverse()
    if os.path.exists(marks[0]):
        os.replace(marks[0], marks[1])
    elif at_boot and systemctl("is-enabled", unit, check=False).stdout.strip() == "static":
        systemctl("add-wants", "multi-user.target", unit)
    systemctl("enable" if at_boot else "disable", unit, check=False)


def leave(arguments, secrets):
    caller = Caller()
    machine = Machine(arguments["state"], caller)
    machine.lock()
    consul = consul_agent(arguments["consul"], secrets)
    nomad = nomad_agent(arguments["nomad"], secrets) if arguments.get("nomad") else None
    standing = machine.standing
    if standing in (None, "left"):
        return {"presence": "was no member"}
    if not consul.answers(arguments.get("grace", 15)):
        if standing == "leaving":
            machine.standing = "left"
            return {"presence": "had left"}
        # Its peers see it failed, and Autopilot forgets a server that stays so.
        stop(arguments["units"])
        machine.standing = "left"
        return {"presence": "left without a word: Consul does not answer here"}
    if nomad is not None and not nomad.answers(arguments.get("grace", 15)):
        # What its peers know of it goes when they have noticed.
        nomad = None
    turn = Turn(arguments, consul, nomad, caller, "removing")
    work = work_of(arguments, nomad, caller)
    result = {"waited": turn.take()}
    if turn.alone():
        turn.give_back()
        raise Failed(f"{arguments['node']} is the only server: it can go with the whole cluster only")
    try:
        if work is not None:
            result["drained"] = work.drain(arguments["drain"])
        result["handedOver"] = turn.hand_over()
        caller.check()
    except (Failed, *AGENT_ERRORS):
        if work is not None:
            complaints_of(lambda: work.welcome() and [])
        turn.give_back()
        raise
    # From here on it goes to its end, whoever waits for it.
    machine.standing = "leaving"
    turn.enter("leaving")
    turn.rest()
    close_frontends(arguments.get("frontends", []))
    for unit in arguments["units"]:
        wanted(unit, False)
        restarting(unit, False)
    leave_nomad(arguments, nomad, work)
    leave_consul(consul)
    stop(arguments["units"])
    machine.standing = "left"
    return {"presence": "left", **result}


def leave_nomad(arguments, nomad, work):
    """What cannot be done here, Nomad's Autopilot does when it sees the agent failed."""
    try:
        if work is not None:
            work.forget()
        if nomad is not None and arguments["role"] == "server":
            health = nomad.get("/v1/operator/autopilot/health", accept=(429,))
            mine = [each["ID"] for each in health.get("Servers") or [] if plain_name(each) == arguments["node"]]
            for server in mine:
                nomad.ask("DELETE", f"/v1/operator/raft/peer?id={server}")
    except AGENT_ERRORS as error:
        print(f"Nomad is left as after a failure: {described(error)}", file=sys.stderr)
    units = [unit for unit in arguments["units"] if unit.startswith("nomad")]
    if nomad is not None and arguments["role"] == "server":
        say_farewell(units)
    stop(units)


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


def stop(units):
    for unit in units:
        systemctl("stop", unit, check=False)


main(lambda arguments, secrets: {"return": come_back, "leave": leave}[arguments["do"]](arguments, secrets))

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
    clusters = clusters_of(arguments, secrets, caller)
    standing = machine.standing
    if standing in (None, "left"):
        return {"presence": "was no member"}
    grace = arguments.get("grace", 15)
    if not clusters.answers(grace):
        if standing == "leaving":
            machine.standing = "left"
            return {"presence": "had left"}
        # Its peers see it failed, and Consul's Autopilot forgets a server that stays so.
        stop(arguments["units"])
        machine.standing = "left"
        return {"presence": f"left without a word: {clusters.name} does not answer here"}
    # What the peers of a Nomad that does not answer know of it goes when they have noticed.
    clusters = clusters.answering(grace)
    turn = Turn(arguments, clusters, caller, "removing")
    work = clusters.work
    result = {"waited": turn.take()}
    if clusters.alone():
        turn.give_back()
        raise Failed(f"{arguments['node']} is the only server: it can go with the whole cluster only")
    try:
        if work is not None:
            result["drained"] = work.drain(arguments["drain"])
        result["handedOver"] = hand_over(turn)
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
    clusters.leave(arguments["units"])
    stop(arguments["units"])
    machine.standing = "left"
    return {"presence": "left", **result}


main(lambda arguments, secrets: {"return": come_back, "leave": leave}[arguments["do"]](arguments, secrets))

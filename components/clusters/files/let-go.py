"""Before a machine is replaced: takes the turn, moves the work away and hands leadership over. The turn stays taken: the
successor's gate gives it back. The only server does not go: nobody else has what it holds."""

# Seconds for which the only server waits for others to vote. An update that brings them starts them at the same time.
COMPANY = 60

# Seconds after which a machine that was not replaced after all takes requests again.
REOPEN = 120


def let_go(arguments, secrets):
    caller = Caller()
    machine = Machine(arguments["state"], caller)
    machine.lock()
    if machine.standing in (None, "left"):
        return {"turn": "not needed: this machine is in no cluster"}
    if os.path.exists(machine.path("expendable")):
        return {"turn": "not taken: this machine was said to be expendable"}
    consul = consul_agent(arguments["consul"], secrets)
    nomad = nomad_agent(arguments["nomad"], secrets) if arguments.get("nomad") else None
    if not consul.answers(arguments.get("grace", 15)):
        if arguments["role"] == "client":
            return {"turn": "not taken: Consul does not answer here, so this machine is no working member"}
        raise Failed(
            f"Consul does not answer on {arguments['node']}, so nobody can say whether the cluster would do without it. "
            "Start it (systemctl status consul), or let the machine go whatever becomes of its data: "
            f"touch {machine.path('expendable')}"
        )
    if nomad is not None and not nomad.answers(arguments.get("grace", 15)):
        # Perhaps that is why the machine goes. If all of them are like this one, its gate will not open.
        nomad = None
    turn = Turn(arguments, consul, nomad, caller, "replacing")
    work = work_of(arguments, nomad, caller)
    if arguments["role"] == "server":
        wait_for_company(turn, arguments.get("company", COMPANY), machine)
    result = {"waited": turn.take()}
    try:
        refuse_loss(turn.sole(), turn, machine)
        if work is not None:
            result["drained"] = work.drain(arguments["drain"])
        result["handedOver"] = turn.hand_over()
        caller.check()
        close_frontends(arguments.get("frontends", []), REOPEN)
    except (Failed, *AGENT_ERRORS):
        # The machine stays for now.
        if work is not None:
            complaints_of(lambda: work.welcome() and [])
        turn.give_back()
        raise
    turn.rest()
    return {"turn": "taken", **result}


def wait_for_company(turn, seconds, machine):
    started = time.monotonic()
    while True:
        turn.caller.check()
        patience = seconds
        try:
            held = turn.sole()
            if not held:
                return
            if len(peers(turn.consul)) > 1:
                patience = turn.timeout  # Who has come does not vote at once.
        except AGENT_ERRORS:
            held = []  # An election, or what those who wait for the turn will say.
        if time.monotonic() - started > patience:
            return refuse_loss(held, turn, machine)
        time.sleep(LOOK)


def refuse_loss(held, turn, machine):
    if held:
        raise Failed(
            f"{turn.me} is the only server: the data of {' and '.join(held)} would go with its machine. Set "
            "gatehouse:servers.count to 3, and the other servers keep them while this one is replaced; or let them go: "
            f"touch {machine.path('expendable')}"
        )


main(let_go)

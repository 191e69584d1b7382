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
    clusters = clusters_of(arguments, secrets, caller)
    grace = arguments.get("grace", 15)
    if not clusters.works(grace) and not clusters.answers(0):
        if arguments["role"] == "client":
            return {"turn": f"not taken: {clusters.name} does not answer here, so this machine is no working member"}
        raise Failed(
            f"{clusters.unanswered}, or let the machine go whatever becomes of its data: touch {machine.path('expendable')}"
        )
    # A Nomad that does not answer is perhaps why the machine goes. If all are like this one, its gate will not open.
    clusters = clusters.answering(grace)
    turn = Turn(arguments, clusters, caller, "replacing")
    work = clusters.work
    if arguments["role"] == "server":
        wait_for_company(turn, arguments.get("company", COMPANY), machine)
    result = {"waited": turn.take()}
    try:
        refuse_loss(clusters.sole(), turn, machine)
        if work is not None:
            result["drained"] = work.drain(arguments["drain"])
        result["handedOver"] = hand_over(turn)
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
            held = turn.clusters.sole()
            if not held:
                return
            if turn.clusters.in_company():
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

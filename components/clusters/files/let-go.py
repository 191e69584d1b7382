"""Before a machine is replaced: takes the turn, moves the work away and hands leadership over. The turn stays taken: the
successor's gate gives it back."""


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
    work = Work(nomad, arguments["node"], caller) if nomad and arguments["role"] == "client" else None
    result = {"waited": turn.take()}
    try:
        if turn.alone():
            result["note"] = "this is the only server: the service is interrupted"
        if work is not None:
            result["drained"] = work.drain(arguments["drain"])
        result["handedOver"] = turn.hand_over()
        caller.check()
    except (Failed, *AGENT_ERRORS):
        # The machine stays for now.
        if work is not None:
            complaints_of(lambda: work.welcome() and [])
        turn.give_back()
        raise
    turn.rest()
    return {"turn": "taken", **result}


main(let_go)

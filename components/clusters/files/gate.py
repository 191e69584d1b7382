"""After a machine was made and configured: waits until it is a healthy member of healthy clusters, then gives back the
turn that its predecessor has taken."""


def gate(arguments, secrets):
    caller = Caller()
    machine = Machine(arguments["state"], caller)
    machine.lock()
    consul = consul_agent(arguments["consul"], secrets)
    nomad = nomad_agent(arguments["nomad"], secrets) if arguments.get("nomad") else None
    turn = Turn(arguments, consul, nomad, caller, "replacing")
    work = work_of(arguments, nomad, caller)
    return settle(machine, turn, work, adopt=True)


main(gate)

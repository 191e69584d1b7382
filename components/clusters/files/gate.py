"""After a machine was made and configured: waits until it is a healthy member of healthy clusters, then gives back the
turn that its predecessor has taken."""


def gate(arguments, secrets):
    caller = Caller()
    machine = Machine(arguments["state"], caller)
    machine.lock()
    turn = Turn(arguments, clusters_of(arguments, secrets, caller), caller, "replacing")
    return settle(machine, turn, adopt=True)


main(gate)

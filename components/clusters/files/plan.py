"""Tells the cluster which nodes it ought to have: what every node reads when it waits for its turn."""


def tell(arguments, secrets):
    store = clusters_of(arguments, secrets, Caller()).store
    plan = json.dumps(arguments["plan"])
    deadline = time.monotonic() + arguments["timeout"]
    while True:
        complaints = complaints_of(lambda: store.put(PLAN, plan) or [])
        if not complaints:
            return arguments["plan"]
        if time.monotonic() > deadline:
            raise Failed(f"The plan of the cluster cannot be written after {arguments['timeout']} s: {complaints[0]}")
        time.sleep(LOOK)


main(tell)

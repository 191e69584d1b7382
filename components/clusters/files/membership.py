"""A node's place among the others: it hands its leadership over before it goes, and is waited for until it has its place
again."""


def hand_over(turn, seconds=20):
    """Lets another server lead before this one goes. The names of the systems in which it led."""
    if turn.role != "server":
        return []

    def wait(done):
        deadline = time.monotonic() + seconds
        while True:
            try:
                if done():
                    return
            except AGENT_ERRORS:
                pass  # An election.
            turn.caller.check()
            if time.monotonic() > deadline:
                raise Failed(f"{turn.me} has handed its leadership over, and no other server leads after {seconds} s")
            time.sleep(LOOK)

    return turn.clusters.hand_over(wait)


def belongs(turn):
    """What keeps this node from being a healthy member of healthy clusters. Who has the turn may be away."""
    holder = (turn.record()[0] or {}).get("node")
    return turn.clusters.belongs(turn.expected(), {holder} - {turn.me, None})


def settle(machine, turn, adopt=False):
    """Waits until the node is a healthy member, lets it work again and gives its turn back. Returns what it did. `adopt`:
    the turn is from before, and is kept alive from when the clusters can be asked for it."""
    started = time.monotonic()
    work = turn.clusters.work
    while True:
        if adopt and turn.adopt():
            adopt = False
        complaints = complaints_of(lambda: belongs(turn)) + complaints_of(turn.clusters.forget_predecessor)
        if not complaints:
            break
        turn.caller.check()
        if time.monotonic() - started > turn.timeout:
            lines = [f"{turn.me} is not a healthy member after {turn.timeout:g} s:"]
            complaints += turn.clusters.silent(complaints)
            turn.fail()
            raise Failed("\n".join(lines + [f"    {each}" for each in complaints]))
        time.sleep(LOOK)
    result = {"seconds": round(time.monotonic() - started, 1)}
    if work is not None and work.welcome():
        result["eligible"] = True
    if work is not None:
        # If Nomad does not answer just now, it forgets them by itself tomorrow.
        complaints_of(lambda: work.forget_predecessors() or [])
    # From here on the machine has something to lose.
    if machine.standing != "member":
        machine.standing = "member"
    if turn.give_back():
        result["turn"] = "given back"
    return result

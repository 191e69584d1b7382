"""What a node does for Nomad: it is moved elsewhere before the node goes."""


class Work:
    """The allocations of a node that runs jobs, and whether it takes more of them."""

    def __init__(self, nomad, node, caller):
        self.nomad, self.node, self.caller = nomad, node, caller

    def id(self):
        """A replaced machine leaves its old node behind for a while, under the same name and down."""
        nodes = [each for each in self.nomad.get("/v1/nodes") if each["Name"] == self.node]
        ready = [each for each in nodes if each["Status"] == "ready"]
        return (ready or [{"ID": None}])[0]["ID"]

    def drain(self, deadline):
        """Moves the allocations elsewhere; those that do not go are stopped at the deadline (seconds), or as soon as
        nobody else is left who could move."""
        node = self.id()
        if node is None:
            return False
        self.ask_to_go(node, deadline)
        end = time.monotonic() + deadline + 60
        forced = False
        while True:
            self.caller.check()
            try:
                left = self.left(node)
                if left and not forced and self.pinned(node):
                    forced = True
                    self.ask_to_go(node, -1e-9)
            except AGENT_ERRORS as error:
                left = [described(error)]
            if not left:
                return True
            if time.monotonic() > end:
                raise Failed(f"{self.node} is not drained after {deadline + 60:g} s: {', '.join(left[:5])}")
            time.sleep(LOOK)

    def ask_to_go(self, node, deadline):
        specification = {"Deadline": round(deadline * 1e9), "IgnoreSystemJobs": True}
        body = {"DrainSpec": specification, "MarkEligible": False, "Meta": {"message": "gatehouse: its machine goes"}}
        self.nomad.put(f"/v1/node/{node}/drain", body)

    def left(self, node):
        if self.nomad.get(f"/v1/node/{node}")["DrainStrategy"]:
            return ["Nomad still moves its allocations"]
        return [each["Name"] for each in self.allocations(node)]

    def allocations(self, node):
        return [
            each
            for each in self.nomad.get(f"/v1/node/{node}/allocations") or []
            if each["ClientStatus"] in ("pending", "running")
            and (each.get("Job") or {}).get("Type") not in ("system", "sysbatch")
        ]

    def pinned(self, node):
        """Whether the allocations that are left are all such that no other node may have them by their jobs' constraints:
        Nomad would let them run here until the deadline, and no longer time would bring them elsewhere."""
        left = self.allocations(node)
        return bool(left) and all(self.has_no_other_node(each) for each in left)

    def has_no_other_node(self, allocation):
        job = urllib.parse.quote(allocation["JobID"], safe="")
        namespace = urllib.parse.quote(allocation["Namespace"], safe="")
        for evaluation in self.nomad.get(f"/v1/job/{job}/evaluations?namespace={namespace}") or []:
            found = (evaluation.get("FailedTGAllocs") or {}).get(allocation["TaskGroup"])
            # Room may become free; a constraint does not go away.
            if evaluation["Status"] == "blocked" and found and not found["NodesExhausted"]:
                return True
        return False

    def welcome(self):
        """Makes the client eligible if it was drained for our sake."""
        node = self.id()
        if node is None:
            return False
        found = self.nomad.get(f"/v1/node/{node}")
        if found["SchedulingEligibility"] == "eligible":
            return False
        meta = (found.get("LastDrain") or {}).get("Meta") or {}
        if not meta.get("message", "").startswith("gatehouse:"):
            return False
        if found["DrainStrategy"]:
            self.nomad.put(f"/v1/node/{node}/drain", {"DrainSpec": None, "MarkEligible": True})
        else:
            self.nomad.put(f"/v1/node/{node}/eligibility", {"Eligibility": "eligible"})
        return True

    def forget_predecessors(self):
        """Nomad keeps a machine that is no more in its list for a day, under the name that its successor has."""
        own = self.nomad.get("/v1/agent/self")["stats"]["client"]["node_id"]
        for each in self.nomad.get("/v1/nodes"):
            if each["Name"] == self.node and each["ID"] != own:
                self.nomad.put(f"/v1/node/{each['ID']}/purge")

    def forget(self):
        """Removes the client from Nomad's catalogue; its agent has to stop at once."""
        node = self.id()
        if node is not None:
            self.nomad.put(f"/v1/node/{node}/purge")

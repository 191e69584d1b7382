arguments = json.loads(sys.argv[1])
token = os.environ.get("CONSUL_HTTP_TOKEN")
api = Api(arguments["api"], {"X-Consul-Token": token} if token else {})

# serf's member states, in the order of Consul's API.
STATES = ["none", "alive", "leaving", "left", "failed"]


def alive(member):
    return STATES[member["Status"]] == "alive"


def absence(name, member):
    """What is wrong with an agent, if anything is."""
    if member is None:
        return f"agent {name} is not a member: its machine does not run, its Consul does not, or the network is in between"
    return None if alive(member) else f"agent {name} is {STATES[member['Status']]} (last seen at {member['Addr']})"


def check():
    members = {member["Name"]: member for member in api.get("/v1/agent/members")}
    absent = [absence(name, members.get(name)) for name in arguments["servers"] + arguments["clients"]]
    absent = [each for each in absent if each]
    if not api.get("/v1/status/leader"):
        return ["no leader has been elected", *absent]
    missing = []
    voters = {server["Node"] for server in api.get("/v1/operator/raft/configuration")["Servers"] if server["Voter"]}
    for name in arguments["servers"]:
        if name not in voters:
            missing.append(f"server {name} is not a voter")
    missing += absent
    nodes = {node["Node"] for node in api.get("/v1/catalog/nodes")}
    missing += [f"agent {name} is not in the catalog" for name in members if alive(members[name]) and name not in nodes]
    return missing


poll("The Consul cluster", arguments["timeout"], check)

arguments = json.loads(sys.argv[1])
token = os.environ.get("CONSUL_HTTP_TOKEN")
api = Api(arguments["api"], {"X-Consul-Token": token} if token else {})

# serf's member states, in the order of Consul's API.
STATES = ["none", "alive", "leaving", "left", "failed"]


def check():
    if not api.get("/v1/status/leader"):
        return ["no leader has been elected"]
    missing = []
    voters = {server["Node"] for server in api.get("/v1/operator/raft/configuration")["Servers"] if server["Voter"]}
    members = {member["Name"]: STATES[member["Status"]] for member in api.get("/v1/agent/members")}
    for name in arguments["servers"]:
        if name not in voters:
            missing.append(f"server {name} is not a voter")
    for name in arguments["servers"] + arguments["clients"]:
        if members.get(name) != "alive":
            missing.append(f"agent {name} is {members.get(name, 'not a member')}")
    nodes = {node["Node"] for node in api.get("/v1/catalog/nodes")}
    missing += [f"agent {name} is not in the catalog" for name in members if members[name] == "alive" and name not in nodes]
    return missing


poll("The Consul cluster", arguments["timeout"], check)

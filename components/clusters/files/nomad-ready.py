arguments = json.loads(sys.argv[1])
token = os.environ.get("NOMAD_TOKEN")
api = Api(arguments["api"], {"X-Nomad-Token": token} if token else {})


def complaints_about(name, node_id):
    """What keeps a registered node from running every job of ours."""
    node = api.get(f"/v1/node/{node_id}")
    missing = []
    if node["Status"] != "ready":
        missing.append(f"client {name} is {node['Status']}")
    if node["SchedulingEligibility"] != "eligible":
        missing.append(f"client {name} is {node['SchedulingEligibility']} for scheduling")
    docker = (node["Drivers"] or {}).get("docker") or {}
    if not docker.get("Healthy"):
        missing.append(f"client {name}: the Docker driver is not healthy ({docker.get('HealthDescription') or 'not found'})")
    attributes = node["Attributes"] or {}
    if "plugins.cni.version.bridge" not in attributes:
        missing.append(f"client {name}: no CNI plugins found; the package containernetworking-plugins has them")
    modes = {network.get("Mode") for network in node["NodeResources"].get("Networks") or []}
    if "bridge" not in modes:
        missing.append(f"client {name}: no bridge networking (the kernel's bridge module)")
    if "consul.version" not in attributes:
        missing.append(f"client {name} has not found its Consul agent")
    return missing


def check():
    if not api.get("/v1/status/leader"):
        return ["no leader has been elected"]
    missing = []
    peers = api.get("/v1/operator/raft/configuration")["Servers"]
    # Nomad calls a server by its name and region.
    voters = {server["Node"].rsplit(".", 1)[0] for server in peers if server["Voter"]}
    missing += [f"server {name} is not a voter" for name in arguments["servers"] if name not in voters]
    # The leader makes the first key a moment after its election; without one variables are refused.
    if not any(key["State"] == "active" for key in api.get("/v1/operator/keyring/keys") or []):
        missing.append("the keyring has no active key")
    nodes = {}
    for node in api.get("/v1/nodes"):
        # A replaced machine leaves its old node behind for a while, under the same name and down.
        if node["Name"] not in nodes or node["Status"] == "ready":
            nodes[node["Name"]] = node["ID"]
    for name in arguments["clients"]:
        missing += complaints_about(name, nodes[name]) if name in nodes else [f"client {name} has not registered"]
    return missing


poll("The Nomad cluster", arguments["timeout"], check)

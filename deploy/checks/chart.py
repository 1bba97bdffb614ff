"""Lints the Helm chart, renders it, and checks what it renders.

The rendered manifests are validated against the schemas of Kubernetes, and against what the
architecture promises: no pod is root, no secret is in a manifest, gateways reach neither Postgres
nor the internet. `chart.py TURNBUCKLE` also has that program read the rendered configuration.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

import helm_python
import kubernetes_validate
import yaml

CHART = pathlib.Path(__file__).parents[2] / "k8s/turnbuckle"
KUBERNETES = ["1.30", "1.33"]
ROLES = ["control-plane", "gateway", "worker"]
# Not one of Kubernetes itself: there is no schema for it.
UNKNOWN_KINDS = {"ServiceMonitor"}
EVERYTHING = {
    "ingress": {"enabled": True, "host": "mcp.example.com", "admin": True},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "controlPlane": {
        "autoscaling": {"enabled": True},
        "settings": '[nats.tls]\nca = "/run/secrets/turnbuckle/authorities/ca.crt"\n',
    },
    "gateway": {"settings": '[redis]\nca_file = "/run/secrets/turnbuckle/authorities/ca.crt"\n'},
    "authorities": {"configMap": "authorities"},
    "imagePullSecrets": [{"name": "registry"}],
    "image": {"digest": "sha256:" + "0" * 64},
    "worker": {
        "settings": '[egress]\nallow = ["10.1.0.0/16"]\n',
        "tolerations": [{"key": "workers", "operator": "Exists"}],
        "nodeSelector": {"pool": "workers"},
    },
    "networkPolicy": {"privateUpstreams": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]},
}
LEAST = {
    "nats": {"servers": []},
    "networkPolicy": {"enabled": False},
    "serviceAccount": {"create": False, "name": "existing"},
    **{role: {"pdb": {"enabled": False}, "autoscaling": {"enabled": False}}
       for role in ("controlPlane", "gateway", "worker")},
}
REFUSED = {
    "an unknown key": {"gatway": {}},
    "a password in a NATS address": {"nats": {"servers": ["nats://user:secret@nats:4222"]}},
    "an address for browsers with a path": {"publicUrl": "https://tools.example.com/turnbuckle"},
    "a host with a port": {"allowedHosts": ["mcp.example.com:443"]},
    "no replica": {"gateway": {"replicas": 0}},
    "a Secret without a name": {"secrets": {"redis": {"name": ""}}},
    "an ingress without a host": {"ingress": {"enabled": True}},
}

failures = []


def expect(holds, what):
    if not holds:
        failures.append(what)


def render(values):
    chart = helm_python.Chart.load(CHART)
    files = chart.render(values, name="turnbuckle", namespace="mcp", is_install=True)
    documents = []
    for name, text in files.items():
        if not name.endswith(".txt"):
            documents += [one for one in yaml.safe_load_all(text) if one]
    return documents


def named(documents, kind):
    return {one["metadata"]["name"]: one for one in documents if one["kind"] == kind}


def matches(selector, labels):
    return all(labels.get(key) == value for key, value in selector.items())


def check_schema(documents):
    for document in documents:
        if document["kind"] in UNKNOWN_KINDS:
            continue
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                place = "/".join(str(part) for part in error.path)
                failures.append(f"{document['kind']} {document['metadata']['name']}: {place}: {error.message}")


def check_pods(documents, values):
    deployments = named(documents, "Deployment")
    expect(set(deployments) == {f"turnbuckle-{role}" for role in ROLES}, "a Deployment of each role")
    configs = named(documents, "ConfigMap")
    drain = values.get("drainSeconds", 30)
    for role in ROLES:
        spec = deployments[f"turnbuckle-{role}"]["spec"]
        template, pod = spec["template"], spec["template"]["spec"]
        expect(matches(spec["selector"]["matchLabels"], template["metadata"]["labels"]), f"{role}: selects its pods")
        expect("checksum/config" in template["metadata"]["annotations"], f"{role}: restarts with its configuration")
        expect(pod["automountServiceAccountToken"] is False, f"{role}: has no token of Kubernetes")
        expect(pod["enableServiceLinks"] is False, f"{role}: gets no variables of Services")
        expect(pod["terminationGracePeriodSeconds"] > drain + 5, f"{role}: may drain")
        expect(len(pod["topologySpreadConstraints"]) == 2, f"{role}: is spread")
        security = pod["securityContext"]
        expect(security["runAsNonRoot"] is True and security["runAsUser"] >= 10000, f"{role}: is not root")
        expect(security["seccompProfile"] == {"type": "RuntimeDefault"}, f"{role}: has a seccomp profile")
        for host in ("hostNetwork", "hostPID", "hostIPC"):
            expect(not pod.get(host), f"{role}: {host}")
        for container in pod.get("initContainers", []) + pod["containers"]:
            name = f"{role}/{container['name']}"
            security = container["securityContext"]
            expect(security["readOnlyRootFilesystem"] is True, f"{name}: has a read-only root")
            expect(security["allowPrivilegeEscalation"] is False, f"{name}: gains no privileges")
            expect(security["capabilities"] == {"drop": ["ALL"]}, f"{name}: has no capabilities")
            expect("memory" in container["resources"]["limits"], f"{name}: has a memory limit")
            expect(all("subPath" not in mount for mount in container["volumeMounts"]), f"{name}: no subPath")
        main = pod["containers"][0]
        ports = {port["name"] for port in main["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            expect(main[probe]["httpGet"]["port"] == "admin" and "admin" in ports, f"{role}: {probe} on the admin port")
        for variable in main["env"]:
            secret = "REDIS" in variable["name"]
            expect(not secret or "secretKeyRef" in variable.get("valueFrom", {}), f"{role}: {variable['name']} by reference")
        if role == "control-plane":
            given = {variable["name"]: variable.get("value") for variable in main["env"]}
            spool = given.get("TURNBUCKLE_CONTROL_PLANE__ACCOUNTS__SPOOL_DIR", "")
            lasting = [mount["mountPath"] for mount in main["volumeMounts"] if mount["name"] == "state"]
            expect(lasting and spool.startswith(f"{lasting[0]}/"), "renewed tokens outlive the container")
            host = values.get("ingress", {}).get("host")
            public = given.get("TURNBUCKLE_CONTROL_PLANE__PUBLIC_URL")
            expect(public == (f"https://{host}" if host else None), f"browsers come to {public}")
        expect(pod["volumes"][0]["configMap"]["name"] in configs, f"{role}: its ConfigMap exists")
    # Who holds which secret.
    def secrets_of(role):
        pod = deployments[f"turnbuckle-{role}"]["spec"]["template"]["spec"]
        volumes = {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
        environment = {variable["valueFrom"]["secretKeyRef"]["name"] for variable in pod["containers"][0]["env"]
                       if "secretKeyRef" in variable.get("valueFrom", {})}
        return volumes | environment
    nats = {"turnbuckle-nats"} if values.get("nats", {}).get("servers", True) else set()
    expect(secrets_of("control-plane") == {"turnbuckle-database", "turnbuckle-root-key",
                                           "turnbuckle-control-plane-tls"} | nats, "secrets of the control-plane")
    expect(secrets_of("gateway") == {"turnbuckle-redis", "turnbuckle-gateway-tls"}, "secrets of the gateway")
    expect(secrets_of("worker") == {"turnbuckle-worker-tls"}, "secrets of the worker")


def check_no_secret(documents):
    expect(not named(documents, "Secret"), "the chart makes no Secret")
    for document in documents:
        text = yaml.safe_dump(document)
        expect(not re.search(r"://[^/\s\"']*:[^/\s\"']*@", text), f"{document['kind']}: no password in a URL")
        expect(not re.search(r"(?i)password\s*[:=]\s*\S", text), f"{document['kind']}: no password")


def check_services(documents):
    pods = [one["spec"]["template"] for one in named(documents, "Deployment").values()]
    for name, service in named(documents, "Service").items():
        chosen = [pod for pod in pods if matches(service["spec"]["selector"], pod["metadata"]["labels"])]
        expect(len(chosen) == (3 if name.endswith("-metrics") else 1), f"Service {name} selects its role")
        for port in service["spec"]["ports"]:
            for pod in chosen:
                ports = {one["name"] for one in pod["spec"]["containers"][0]["ports"]}
                expect(port["targetPort"] in ports, f"Service {name}: {port['targetPort']} exists")
            public = not name.endswith("-metrics")
            expect(not public or port["targetPort"] != "admin", f"Service {name}: keeps the admin port inside")


def check_policies(documents):
    """Looks the matrix of who may reach whom up in the policies, as a network plugin would."""
    policies = named(documents, "NetworkPolicy")
    labels = {one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]:
              one["spec"]["template"]["metadata"]["labels"] for one in named(documents, "Deployment").values()}
    for role in ROLES:
        chosen = [policy for policy in policies.values()
                  if matches(policy["spec"]["podSelector"]["matchLabels"], labels[role])]
        expect(len(chosen) == 1 and chosen[0]["spec"]["policyTypes"] == ["Ingress", "Egress"], f"one policy of {role}")

    def rules(role, direction):
        side = "from" if direction == "ingress" else "to"
        for rule in policies[f"turnbuckle-{role}"]["spec"][direction]:
            yield rule[side], {port["port"] for port in rule.get("ports", [])}

    def allows(role, direction, other, port):
        return any(port in ports and any(
            set(peer) == {"podSelector"} and matches(peer["podSelector"]["matchLabels"], labels[other])
            for peer in peers) for peers, ports in rules(role, direction))

    fabric = {("gateway", "control-plane", 9100), ("worker", "control-plane", 9100),
              ("gateway", "worker", 9300), ("control-plane", "worker", 9300)}
    for source in ROLES:
        for target in ROLES:
            for port in (9100, 9300):
                wanted = (source, target, port) in fabric
                both = (allows(source, "egress", target, port), allows(target, "ingress", source, port))
                expect(both == (wanted, wanted), f"{source} to {target}:{port}: {both}, expected {wanted}")

    def out(role):
        return {port for _, ports in rules(role, "egress") for port in ports}

    def internet(role):
        return any("ipBlock" in peer for peers, _ in rules(role, "egress") for peer in peers)

    expect(out("gateway") == {53, 9100, 9300, 6379}, f"gateway goes to {out('gateway')}")
    expect(out("control-plane") == {53, 443, 9300, 5432, 4222}, f"control-plane goes to {out('control-plane')}")
    expect(out("worker") == {53, 9100}, f"worker goes to {out('worker')}, besides the internet")
    expect([internet(role) for role in ROLES] == [True, False, True], "gateways do not reach the internet")
    for role in ("control-plane", "gateway"):
        expect(all(peers and ports for peers, ports in rules(role, "egress")), f"{role}: no rule is open")
    blocks = [peer["ipBlock"] for peers, _ in rules("worker", "egress") for peer in peers if "ipBlock" in peer]
    everywhere = [block for block in blocks if block["cidr"] == "0.0.0.0/0"]
    expect(everywhere and "169.254.0.0/16" in everywhere[0]["except"], "workers do not reach metadata of the cloud")


def check_scaling(documents):
    deployments = named(documents, "Deployment")
    scalers = named(documents, "HorizontalPodAutoscaler")
    for name, deployment in deployments.items():
        expect(("replicas" in deployment["spec"]) != (name in scalers), f"{name}: one decides how many there are")
    for name, scaler in scalers.items():
        expect(scaler["spec"]["scaleTargetRef"]["name"] in deployments, f"{name}: scales something")
    for name, budget in named(documents, "PodDisruptionBudget").items():
        labels = deployments[name]["spec"]["template"]["metadata"]["labels"]
        expect(matches(budget["spec"]["selector"]["matchLabels"], labels), f"{name}: its budget selects it")


def check_configuration(documents, turnbuckle):
    """The program itself reads what a pod would be given."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        stand_in = folder / "file"
        stand_in.write_text("x")
        for role in ROLES:
            text = named(documents, "ConfigMap")[f"turnbuckle-{role}"]["data"]["config.toml"]
            path = folder / f"{role}.toml"
            path.write_text(text)
            environment = {"TURNBUCKLE_ADVERTISE": "10.0.0.1:9300"}
            if role == "control-plane":
                environment |= {"TURNBUCKLE_DATABASE_URL_FILE": str(stand_in), "TURNBUCKLE_ROOT_KEY_FILE": str(stand_in)}
                pod = named(documents, "Deployment")["turnbuckle-control-plane"]["spec"]["template"]["spec"]
                environment |= {one["name"]: one["value"] for one in pod["containers"][0]["env"]
                                if one["name"].startswith("TURNBUCKLE_CONTROL_PLANE__")}
            if role == "gateway":
                environment["TURNBUCKLE_REDIS__NODES"] = '["rediss://:s3cret@one:6379", "rediss://:s3cret@two:6379"]'
            run = subprocess.run([turnbuckle, role, "--config", path, "--print-config"], env=environment,
                                 capture_output=True, text=True, timeout=30)
            expect(run.returncode == 0, f"{role}: turnbuckle refuses its configuration: {run.stderr.strip()}")
            expect("s3cret" not in run.stdout, f"{role}: shows the password of Redis")


def main():
    report = helm_python.lint(CHART, strict=True)
    for message in report["messages"]:
        expect(message["severity"] < 2, f"helm lint: {message['path']}: {message['error']}")
    for error in report["errors"]:
        failures.append(f"helm lint: {error}")
    count = 0
    for values in ({}, EVERYTHING, LEAST):
        documents = render(values)
        count += len(documents)
        check_schema(documents)
        check_pods(documents, values)
        check_no_secret(documents)
        check_services(documents)
        check_scaling(documents)
        if "networkPolicy" not in values or "privateUpstreams" in values["networkPolicy"]:
            check_policies(documents)
        if len(sys.argv) > 1:
            check_configuration(documents, sys.argv[1])
    for what, values in REFUSED.items():
        try:
            render(values)
            failures.append(f"the chart takes {what}")
        except helm_python.HelmError:
            pass
    if failures:
        print("\n".join(dict.fromkeys(failures)), file=sys.stderr)
        sys.exit(1)
    read = "; turnbuckle reads each configuration" if len(sys.argv) > 1 else ""
    print(f"k8s/turnbuckle: helm {helm_python.helm_sdk_version()} lints it, {count} manifests are valid for"
          f" Kubernetes {' and '.join(KUBERNETES)}, {len(REFUSED)} bad values are refused{read}")


main()

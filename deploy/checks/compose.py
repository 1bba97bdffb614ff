"""Checks what docker-compose.yml promises, and runs what it gives its containers as files.

dclint checks its form; this, that no service is more than it must be, that the networks keep
gateways from Postgres and the internet, and that `init` makes what the services then read.
`compose.py TURNBUCKLE` runs `init` with that program in a temporary folder.
"""

import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib

import yaml

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = ROOT / "deploy/compose"
failures = []


def expect(holds, what):
    if not holds:
        failures.append(what)


def peers(services, name):
    """Services that share a network with this one."""
    mine = set(services[name].get("networks", []))
    return {other for other in services if other != name and mine & set(services[other].get("networks", []))}


def check_services(compose):
    services, networks, volumes = compose["services"], compose["networks"], compose["volumes"]
    used = set()
    for name, service in services.items():
        expect(service.get("read_only") is True, f"{name}: has a read-only root")
        expect(service.get("cap_drop") == ["ALL"], f"{name}: has no capabilities")
        expect(service.get("security_opt") == ["no-new-privileges:true"], f"{name}: gains no privileges")
        expect(not service.get("privileged") and "pid" not in service, f"{name}: is not privileged")
        expect("healthcheck" in service or name == "init", f"{name}: has a health check")
        expect(":" in service["image"], f"{name}: names a version of its image")
        expect(service.get("network_mode") == "none" or service.get("networks"), f"{name}: is on no default network")
        for need in service.get("depends_on", {}):
            expect(need in services, f"{name}: depends on {need}")
        for volume in service.get("volumes", []):
            source, _, target = volume.partition(":")
            if source.startswith("."):
                expect((ROOT / source).exists(), f"{name}: {source} exists")
                expect(target.endswith(":ro"), f"{name}: {source} is read-only")
            else:
                used.add(source)
                expect(source in volumes, f"{name}: the volume {source} is declared")
                mine = name.rstrip("-12")
                if source.endswith("-secrets") and name != "init":
                    expect(source == f"{mine}-secrets" and target.endswith(":ro"), f"{name}: has its own secrets alone")
        for key, value in service.get("environment", {}).items():
            secret = re.search(r"(?i)password|secret|token|key", key)
            expect(not secret or (key.endswith("_FILE") and value.startswith("/run/")), f"{name}: {key} is a file")
    expect(used == set(volumes), f"volumes that nobody uses: {set(volumes) - used}")
    root = [name for name, service in services.items() if str(service.get("user", "")).startswith("0")]
    expect(root == ["init"], f"only init is root: {root}")
    expect(services["init"]["network_mode"] == "none", "init reaches nothing")

    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    expect(list(published) == ["proxy"] and len(published["proxy"]) == 1, f"only the proxy has a port: {published}")
    expect(str(published["proxy"][0]).startswith("127.0.0.1:"), "the port is on loopback")
    outside = {name for name, service in services.items()
               if any(not networks[one].get("internal") for one in service.get("networks", []))}
    roles = {role: {f"{role}-1", f"{role}-2"} for role in ("control-plane", "gateway", "worker")}
    expect(outside == {"proxy"} | roles["control-plane"] | roles["worker"], f"with a way out: {outside}")
    for one in ("1", "2"):
        volumes_of = [volume.partition(":")[::2] for volume in services[f"control-plane-{one}"]["volumes"]]
        spool = tomllib.loads((CONFIG / "control-plane.toml").read_text())["control_plane"]["accounts"]["spool_dir"]
        lasting = [target for source, target in volumes_of if source == f"control-plane-{one}-state"]
        expect(lasting and spool.startswith(f"{lasting[0]}/"), f"control-plane-{one}: renewed tokens outlive it")
        reach = peers(services, f"gateway-{one}")
        expect(not reach & {"postgres", "nats"} and "redis" in reach, f"a gateway reaches {reach}")
        reach = peers(services, f"worker-{one}")
        expect(reach <= roles["control-plane"] | roles["gateway"] | roles["worker"], f"a worker reaches {reach}")
        reach = peers(services, f"control-plane-{one}")
        expect({"postgres", "nats"} <= reach and "redis" not in reach, f"a control-plane reaches {reach}")
    expect(peers(services, "proxy") == roles["control-plane"] | roles["gateway"], "whom the proxy reaches")
    expect(peers(services, "postgres") == roles["control-plane"] | {"nats"}, "whom Postgres reaches")
    expect(peers(services, "redis") == roles["gateway"], "whom Redis reaches")


def run_init(turnbuckle):
    """Runs init twice, and has the roles read what it made."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        services = ["control-plane", "gateway", "worker", "postgres", "redis", "nats"]
        for service in services:
            (folder / "secrets" / service).mkdir(parents=True)
        (folder / "bin").mkdir()
        (folder / "bin/turnbuckle").symlink_to(pathlib.Path(turnbuckle).resolve())
        path = f"{folder / 'bin'}:{os.environ['PATH']}"

        def init():
            return subprocess.run([CONFIG / "init", folder / "secrets", CONFIG], env={"PATH": path},
                                  capture_output=True, text=True, timeout=60)

        def content():
            return {path: path.read_bytes() for path in sorted(folder.glob("secrets/*/*"))}

        first = init()
        expect(first.returncode == 0, f"init: {first.stderr}")
        made = content()
        for file in made:
            if file.name != ".made":
                expect(stat.S_IMODE(file.stat().st_mode) == 0o400, f"init: {file.name} is its owner's alone")
        names = {str(file.relative_to(folder / "secrets")) for file in made if file.name != ".made"}
        trust = {f"{role}/{name}.pem" for role in services[:3] for name in ("ca", "cert", "key")}
        expect(names == trust | {"control-plane/root.key", "control-plane/database.url", "control-plane/nats.token",
                                 "gateway/gateway.toml", "postgres/superuser.password", "postgres/platform.password",
                                 "redis/redis.conf", "redis/password", "nats/nats.conf"}, f"init made {names}")

        def read(name):
            return (folder / "secrets" / name).read_text()

        passwords = [read("postgres/superuser.password"), read("postgres/platform.password"),
                     read("redis/password"), read("control-plane/nats.token")]
        expect(len(set(passwords)) == 4 and all(re.fullmatch("[0-9a-f]{64}", one) for one in passwords),
               "passwords are random")
        expect(passwords[1] in read("control-plane/database.url"), "the database's password is the platform's")
        expect(f"requirepass {passwords[2]}" in read("redis/redis.conf"), "Redis knows its password")
        expect(passwords[2] in read("gateway/gateway.toml"), "gateways know the password of Redis")
        expect(passwords[3] in read("nats/nats.conf"), "NATS knows its token")
        expect(not any(one in first.stdout + first.stderr for one in passwords), "init tells no secret")
        again = init()
        expect(again.returncode == 0 and content() == made, "init changes nothing the second time")

        for role, file in (("control-plane", CONFIG / "control-plane.toml"), ("worker", CONFIG / "worker.toml"),
                           ("gateway", folder / "secrets/gateway/gateway.toml")):
            environment = {"TURNBUCKLE_ADVERTISE": f"{role}-1:9300"}
            if role == "control-plane":
                environment |= {"TURNBUCKLE_DATABASE_URL_FILE": str(folder / "secrets/control-plane/database.url"),
                                "TURNBUCKLE_ROOT_KEY_FILE": str(folder / "secrets/control-plane/root.key")}
            run = subprocess.run([turnbuckle, role, "--config", file, "--print-config"], env=environment,
                                 capture_output=True, text=True, timeout=30)
            expect(run.returncode == 0, f"{role}: turnbuckle refuses its configuration: {run.stderr.strip()}")
        for program, arguments in (("nats-server", ["-t", "-c", folder / "secrets/nats/nats.conf"]),):
            found = shutil.which(program, path=f"{path}:/usr/sbin:/usr/local/sbin")
            if found:
                run = subprocess.run([found, *arguments], capture_output=True, text=True, timeout=30)
                expect(run.returncode == 0, f"{program}: {run.stderr}")

        (folder / "secrets/redis/.made").unlink()
        lost = init()
        expect(lost.returncode == 1 and "backup" in lost.stderr, "init says when a volume is gone")


def main():
    check_services(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))
    if len(sys.argv) > 1:
        run_init(sys.argv[1])
    if failures:
        print("\n".join(dict.fromkeys(failures)), file=sys.stderr)
        sys.exit(1)
    ran = "; init makes what they read" if len(sys.argv) > 1 else ""
    print(f"docker-compose.yml: every service is confined, and only reaches what it must{ran}")


main()

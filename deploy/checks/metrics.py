"""Each metric that the dashboard and the alerts name is registered somewhere in the code.

prometheus-client adds `_total` to counters, and histograms have `_bucket`, `_sum` and `_count`.
"""

import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy/grafana/turnbuckle.json"
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
NAME = re.compile(r"\bturnbuckle_([a-z][a-z0-9_]*)")
# What is registered: `register("name", "help", Kind…)`, whatever the line breaks.
REGISTERED = re.compile(r'\bregister\(\s*"([a-z][a-z0-9_]*)"\s*,\s*"[^"]*"\s*,\s*([^;\n]+)')


def registered():
    """Names as they are scraped. A family of which the kind is not written there may be either."""
    names = set()
    for source in ROOT.glob("s*/*/src/**/*.rs"):
        if source.parts[len(ROOT.parts)] not in ("shared", "services"):
            continue
        for name, kind in REGISTERED.findall(source.read_text()):
            histogram = "istogram" in kind or "constructor" in kind
            if histogram:
                names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
            elif "Gauge" in kind:
                names.add(name)
            elif "Counter" in kind:
                names.add(f"{name}_total")
            else:
                names |= {name, f"{name}_total"}
    return names


def expressions():
    dashboard = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids)), "panels have ids of their own"
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield f"dashboard, {panel['title']}", target["expr"]
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def main():
    known, used, failures = registered(), set(), []
    for where, expression in expressions():
        names = set(NAME.findall(expression))
        used |= names
        failures += [f"{where}: nothing registers turnbuckle_{name}" for name in sorted(names - known)]
        if not names and "up{" not in expression:
            failures.append(f"{where}: looks at no metric of ours: {expression}")
        if expression.count("(") != expression.count(")") or expression.count("{") != expression.count("}"):
            failures.append(f"{where}: unbalanced: {expression}")
    if failures:
        sys.exit("\n".join(failures))
    print(f"deploy/grafana, deploy/prometheus: {len(used)} metrics, all of them registered")


main()

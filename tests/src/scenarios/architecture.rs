//! The dependency rules, checked over `cargo metadata`: which of our crates may use which, and
//! which crate alone holds a heavy dependency. `deny.toml` says the same of what others link.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;

/// What each crate of ours may use of ours. A crate that is not here fails the test: say first
/// what it may know.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("runtime", &[]),
    ("bus", &["domain", "fabric", "runtime"]),
    ("mcp", &["domain"]),
    ("proto", &["domain"]),
    ("fabric", &["domain", "mcp"]),
    (
        "fabric-grpc",
        &[
            "crypto", "domain", "fabric", "mcp", "proto", "runtime", "web",
        ],
    ),
    ("crypto", &["domain"]),
    ("cache", &["domain", "runtime"]),
    ("catalog", &["domain"]),
    ("egress", &["runtime"]),
    ("oauth", &["catalog", "domain", "egress", "runtime"]),
    ("web", &["domain", "runtime"]),
    ("storage", &["crypto", "domain", "fabric"]),
    ("testkit", &[]),
    (
        "control-plane",
        &[
            "bus", "catalog", "crypto", "domain", "fabric", "oauth", "proto", "runtime", "storage",
            "web",
        ],
    ),
    (
        "gateway",
        &[
            "cache", "catalog", "crypto", "domain", "fabric", "mcp", "proto", "runtime", "web",
        ],
    ),
    (
        "connector-worker",
        &[
            "catalog", "crypto", "domain", "egress", "fabric", "mcp", "proto", "runtime",
        ],
    ),
    (
        "turnbuckle",
        &[
            "bus",
            "cache",
            "catalog",
            "connector-worker",
            "control-plane",
            "crypto",
            "domain",
            "egress",
            "fabric",
            "fabric-grpc",
            "gateway",
            "mcp",
            "oauth",
            "proto",
            "runtime",
            "storage",
            "web",
        ],
    ),
    ("system-tests", &["testkit"]),
    ("fuzz-targets", &["crypto", "domain", "mcp"]),
    (
        "conformance-client",
        &[
            "catalog",
            "connector-worker",
            "domain",
            "egress",
            "fabric",
            "mcp",
            "oauth",
            "runtime",
        ],
    ),
    ("bench", &[]),
];

/// Crates of others that one crate of ours holds alone, with the reason.
const HELD_ALONE: &[(&str, &str, &str)] = &[
    ("sqlx", "storage", "only storage speaks SQL"),
    ("async-nats", "bus", "only bus speaks to NATS"),
    ("redis", "cache", "only cache speaks to Redis"),
    (
        "hyper-rustls",
        "egress",
        "the way out is through the guard of egress",
    ),
    (
        "reqwest",
        "system-tests",
        "the way out is through the guard of egress",
    ),
    (
        "oauth2",
        "oauth",
        "only oauth knows how tokens are asked for",
    ),
    ("chacha20poly1305", "crypto", "only crypto seals"),
    ("figment", "runtime", "only runtime reads configuration"),
    (
        "tracing-subscriber",
        "runtime",
        "only runtime sets up logging",
    ),
    ("protox", "proto", "only proto generates gRPC code"),
    (
        "tonic-prost-build",
        "proto",
        "only proto generates gRPC code",
    ),
    (
        "tonic-prost",
        "proto",
        "only proto holds generated gRPC code",
    ),
];

/// Who must not reach what, not even through a third: (crate, crate, reason).
const MUST_NOT_REACH: &[(&str, &str, &str)] = &[
    (
        "gateway",
        "storage",
        "the gateway faces the internet and has no database",
    ),
    (
        "gateway",
        "egress",
        "the gateway has no way out to the internet",
    ),
    (
        "gateway",
        "control-plane",
        "services never depend on each other",
    ),
    (
        "gateway",
        "connector-worker",
        "services never depend on each other",
    ),
    (
        "connector-worker",
        "storage",
        "only the control-plane has a database",
    ),
    (
        "connector-worker",
        "control-plane",
        "services never depend on each other",
    ),
    (
        "connector-worker",
        "gateway",
        "services never depend on each other",
    ),
    (
        "control-plane",
        "gateway",
        "services never depend on each other",
    ),
    (
        "control-plane",
        "connector-worker",
        "services never depend on each other",
    ),
    (
        "connector-worker",
        "oauth",
        "only the control-plane has refresh tokens and clients' secrets",
    ),
];

/// The domain is pure: what it may use of others does no I/O and is not asynchronous.
// `sha2` gives a tool its identity, `memchr` finds bytes in texts; neither does I/O.
const DOMAIN_MAY_USE: &[&str] = &[
    "memchr",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "time",
    "url",
    "uuid",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `None` for what is linked, else `dev` or `build`.
    kind: Option<String>,
    /// Comes with a feature; ours are for the tests of other crates.
    optional: bool,
}

impl Package {
    fn linked(&self) -> impl Iterator<Item = &str> {
        let linked = self
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind.is_none() && !dependency.optional);
        linked.map(|dependency| dependency.name.as_str())
    }
}

fn workspace() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice::<Metadata>(&output.stdout)
        .unwrap()
        .packages
}

#[test]
fn each_crate_uses_only_what_it_may_know() {
    let packages = workspace();
    let ours: BTreeSet<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let rules: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();

    let mut broken = Vec::new();
    for package in &packages {
        let Some(allowed) = rules.get(package.name.as_str()) else {
            broken.push(format!(
                "{} is new: say in MAY_USE what it may know",
                package.name
            ));
            continue;
        };
        for used in package.linked().filter(|name| ours.contains(name)) {
            if !allowed.contains(&used) {
                broken.push(format!(
                    "{} must not use {used}: see docs/architecture.md",
                    package.name
                ));
            }
        }
    }

    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_heavy_dependency_has_one_home() {
    let packages = workspace();

    let mut broken = Vec::new();
    for (dependency, home, reason) in HELD_ALONE {
        for package in packages.iter().filter(|package| package.name != *home) {
            let uses = package.linked().any(|used| used == *dependency);
            if uses {
                broken.push(format!(
                    "{} must not use {dependency}: {reason}",
                    package.name
                ));
            }
        }
    }

    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_service_reaches_what_it_must_not_even_through_a_third() {
    let packages = workspace();
    let by_name: BTreeMap<&str, &Package> = packages
        .iter()
        .map(|package| (package.name.as_str(), package))
        .collect();

    let mut broken = Vec::new();
    for (from, to, reason) in MUST_NOT_REACH {
        if let Some(path) = path_between(&by_name, from, to) {
            broken.push(format!(
                "{from} reaches {to} ({}): {reason}",
                path.join(" -> ")
            ));
        }
    }

    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_domain_is_pure() {
    let packages = workspace();
    let domain = packages
        .iter()
        .find(|package| package.name == "domain")
        .unwrap();

    let strange: Vec<&str> = domain
        .linked()
        .filter(|name| !DOMAIN_MAY_USE.contains(name))
        .collect();

    assert!(
        strange.is_empty(),
        "domain must stay free of I/O: it may not use {strange:?}"
    );
}

#[test]
fn the_test_kit_is_linked_by_no_product_code() {
    for package in workspace() {
        assert!(
            package.linked().all(|name| name != "testkit"),
            "{} must use testkit in tests only",
            package.name
        );
    }
}

/// A way from one crate to another over linked crates of ours.
fn path_between<'a>(
    by_name: &BTreeMap<&'a str, &'a Package>,
    from: &'a str,
    to: &str,
) -> Option<Vec<&'a str>> {
    let mut seen = BTreeSet::new();
    let mut paths = vec![vec![from]];
    while let Some(path) = paths.pop() {
        let last = path[path.len() - 1];
        if last == to {
            return Some(path);
        }
        if !seen.insert(last) {
            continue;
        }
        let Some(package) = by_name.get(last) else {
            continue;
        };
        for next in package
            .linked()
            .filter_map(|name| by_name.get_key_value(name))
        {
            let mut longer = path.clone();
            longer.push(next.0);
            paths.push(longer);
        }
    }
    None
}

//! One connector, held against its description.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use catalog::{Catalog, Connector, Request, Target, Tool};
use connector_worker::native::Origins;
use serde_json::Value;
use testkit::provider::{Api, Credential, Detail, Provider, Reply, Rules, Seen, Unlisted};

use super::sample::Sampler;
use super::specs;
use super::ways::ways;
use crate::support::{End, call_with, engine_with, lease_of, limits};

/// What is known of a provider besides its description, and by none of its manifest.
pub(super) struct Setup {
    pub(super) connector: &'static str,
    /// Names of the descriptions; of several the first that has an operation counts.
    pub(super) specs: Vec<&'static str>,
    /// Of a description only names are to be trusted.
    pub(super) names_only: bool,
    /// The token that is stored, and what must arrive of it.
    pub(super) token: &'static str,
    pub(super) credentials: Vec<(&'static str, Credential)>,
    pub(super) headers: Vec<&'static str>,
    pub(super) spanning: Vec<&'static str>,
    /// Further origins of the provider that tools call.
    pub(super) origins: Vec<&'static str>,
    /// `METHOD /path`, member, why: what the description wants, and the provider does not.
    pub(super) optional: Vec<(&'static str, &'static str, &'static str)>,
    /// `METHOD /path`, parameter, value, why: what the provider takes, and the description lacks.
    pub(super) further: Vec<(&'static str, &'static str, &'static str, &'static str)>,
    /// Where an argument has this value, these go with it, and those do not.
    pub(super) together: Vec<Together>,
    /// Tool, argument, value: where only the provider's rules say what is right.
    pub(super) values: Vec<(&'static str, &'static str, Value)>,
    /// By operation, what the least data of the description cannot stand for; `{elsewhere}` in a
    /// text is the provider's other origin.
    pub(super) answers: Vec<(&'static str, Reply)>,
    pub(super) tools: usize,
}

impl Setup {
    /// A provider with bearer tokens and one description.
    pub(super) fn bearer(connector: &'static str, spec: &'static str, tools: usize) -> Self {
        let credential = Credential::Header("authorization", "Bearer the-token".to_owned());
        Self {
            connector,
            specs: vec![spec],
            names_only: false,
            token: "the-token",
            credentials: vec![("/", credential)],
            headers: vec!["accept", "user-agent"],
            spanning: Vec::new(),
            origins: Vec::new(),
            optional: Vec::new(),
            further: Vec::new(),
            together: Vec::new(),
            values: Vec::new(),
            answers: Vec::new(),
            tools,
        }
    }
}

/// Arguments that depend on each other, which no schema says.
pub(super) struct Together {
    pub(super) tool: &'static str,
    pub(super) argument: &'static str,
    pub(super) value: Value,
    pub(super) with: Vec<&'static str>,
    pub(super) without: Vec<&'static str>,
}

impl Together {
    fn mend(&self, tool: &Tool, sampler: &Sampler<'_>, way: &mut Value) {
        let Some(given) = way.as_object_mut() else {
            return;
        };
        if given.get(self.argument) != Some(&self.value) {
            return;
        }
        for name in &self.with {
            let at = tool.args.iter().position(|arg| arg.name == *name).unwrap();
            given.entry(*name).or_insert_with(|| sampler.plain(at));
        }
        self.without
            .iter()
            .for_each(|name| drop(given.remove(*name)));
    }
}

/// The manifest as it stands in the source, so that a change of it needs no new build.
fn manifest(name: &str) -> Catalog {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/catalog/manifests");
    let file = format!("{name}.toml");
    let text = std::fs::read_to_string(folder.join(&file)).unwrap();
    match Catalog::load([(file.as_str(), text.as_str())]) {
        Ok(catalog) => catalog,
        Err(error) => panic!("{error}"),
    }
}

/// Calls every tool in every way.
#[expect(
    clippy::print_stderr,
    reason = "what a run could check is part of what it says"
)]
pub(super) async fn hold(setup: Setup) {
    let name = setup.connector;
    let catalog = Arc::new(manifest(name));
    let connector = catalog.connector(name).unwrap();
    let mut found = Vec::new();
    for spec in &setup.specs {
        let Some(path) = specs::find(spec) else {
            eprintln!(
                "SKIPPED: {name}: {spec} is neither beside the project nor in a package of \
                 tests/providers"
            );
            return;
        };
        found.push(path);
    }
    let described = found.iter().map(|path| match setup.names_only {
        true => specs::read(path).names_only(),
        false => specs::read(path),
    });
    let described = described.reduce(Api::or);
    let described = described.unwrap_or_else(|| Api::documented([]));
    let operations = described.operations();
    let only_documented = documented(&connector);
    let texts = only_documented
        .iter()
        .map(|(method, path)| (*method, path.as_str()));
    let api = described.or(Api::documented(texts));

    let (mut unlisted, mut told) = unlisted(&connector);
    for (operation, member, why) in setup.optional {
        unlisted.push(Unlisted::body(operation, member));
        told.insert(format!("{operation} without {member} ({why})"));
    }
    let mut further = Vec::new();
    for (operation, name, value, why) in setup.further {
        further.push((operation, name, value));
        told.insert(format!("{operation} with {name}={value} ({why})"));
    }
    let rules = Rules {
        further,
        credentials: setup.credentials,
        open: open(&connector),
        headers: setup.headers,
        spanning: setup.spanning,
        unlisted,
    };
    let sampled = ways_of(&connector, &api, &setup.together, &setup.values);
    let provider = Provider::start(api, rules).await;
    for (operation, mut reply) in setup.answers {
        if let Ok(text) = std::str::from_utf8(&reply.body) {
            let text = text.replace("{elsewhere}", provider.elsewhere());
            reply.body = text.into();
        }
        provider.answer(operation, reply);
    }
    provider.offer_download(Reply::text(200, "application/json", "{}\n"));
    let origins = setup.origins.iter();
    let origins: BTreeMap<String, _> = origins
        .map(|origin| ((*origin).to_owned(), provider.url().parse().unwrap()))
        .collect();
    let engine =
        engine_with(catalog.clone(), limits()).with_origins(Origins::new(&origins).unwrap());
    let lease = lease_of(name, provider.url(), Some(setup.token));

    let (mut calls, mut failures) = (0, Vec::new());
    for (tool, ways) in connector.tools.iter().zip(sampled) {
        let before = provider.seen().len();
        for arguments in ways {
            calls += 1;
            match call_with(&engine, &lease, &tool.name, &arguments).await {
                End::Result(result) if result["isError"] == false => {}
                other => failures.push(format!("{} {arguments}: {other:?}", tool.name)),
            }
        }
        let seen = &provider.seen()[before..];
        failures.extend(
            unreached(tool, seen).map(|operation| format!("{} never calls {operation}", tool.name)),
        );
    }

    let seen = provider.seen();
    let of = |detail: Detail| {
        seen.iter()
            .filter(|seen| seen.detail == Some(detail))
            .count()
    };
    let files = found
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy());
    let files: Vec<_> = files.collect();
    let documented = connector.tools.iter().filter(|tool| !tool.verified).count();
    eprintln!(
        "{name}: {} tools, {calls} calls, {} requests held against {operations} operations of {}; \
         {} more against names, {} against method and path ({documented} tools are documented only)",
        connector.tools.len(),
        of(Detail::Schemas),
        if files.is_empty() {
            "no file".to_owned()
        } else {
            files.join(", ")
        },
        of(Detail::Names),
        of(Detail::Path),
    );
    for exception in told {
        eprintln!("{name}: allowed, though not described: {exception}");
    }
    let violations: BTreeSet<String> = provider.violations().into_iter().collect();
    assert_eq!(violations, BTreeSet::new());
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(connector.tools.len(), setup.tools);
}

fn requests(tool: &Tool) -> impl Iterator<Item = &Request> {
    let variants = tool.call.variants.iter().map(|(_, request)| request);
    std::iter::once(&tool.call.request).chain(variants)
}

fn text(request: &Request) -> String {
    format!("{} {}", request.method.as_str(), request.path_text)
}

/// Method and path of the tools that no description has.
fn documented(connector: &Connector) -> BTreeSet<(&'static str, String)> {
    let tools = connector.tools.iter().filter(|tool| !tool.verified);
    let own = |tool: &Tool| -> Vec<(&'static str, String)> {
        let steps = tool.steps.iter();
        let steps = steps.map(|step| (step.method.as_str(), step.path_text.clone()));
        requests(tool)
            .map(|request| (request.method.as_str(), request.path_text.clone()))
            .chain(steps)
            .collect()
    };
    tools.flat_map(own).collect()
}

/// Operations that get no credential.
fn open(connector: &Connector) -> Vec<String> {
    let none = Some(catalog::closed::ToolToken::None);
    let tools = connector.tools.iter().filter(|tool| tool.token == none);
    tools.flat_map(|tool| requests(tool).map(text)).collect()
}

/// What the manifest says that the description lacks, and the same in words.
fn unlisted(connector: &Connector) -> (Vec<Unlisted>, BTreeSet<String>) {
    let (mut all, mut told) = (Vec::new(), BTreeSet::new());
    for tool in &connector.tools {
        for arg in &tool.args {
            let Some(why) = arg.unlisted else { continue };
            told.insert(format!("{}.{} ({})", tool.name, arg.name, why.as_str()));
            for request in requests(tool) {
                match &arg.target {
                    Target::Query(name) => all.push(Unlisted::query(&text(request), name)),
                    Target::Body(landing) => {
                        let steps = super::sample::steps(&landing.path.0).unwrap_or_default();
                        all.push(Unlisted::body(&text(request), &steps.join(".")));
                    }
                    _ => {}
                }
            }
        }
        for constant in &tool.unlisted_const {
            told.insert(format!("{} sends {constant}", tool.name));
            let Some((place, name)) = constant.split_once('.') else {
                continue;
            };
            for request in requests(tool) {
                all.push(match place {
                    "query" => Unlisted::query(&text(request), name),
                    _ => Unlisted::body(&text(request), name),
                });
            }
        }
    }
    (all, told)
}

fn ways_of(
    connector: &Connector,
    api: &Api,
    together: &[Together],
    values: &[(&str, &str, Value)],
) -> Vec<Vec<Value>> {
    let tools = connector.tools.iter();
    tools
        .map(|tool| {
            let sampler = Sampler { api, tool, values };
            let own = together.iter().filter(|known| known.tool == tool.name);
            let own: Vec<_> = own.collect();
            let mut ways = ways(tool, &sampler);
            for way in &mut ways {
                own.iter().for_each(|known| known.mend(tool, &sampler, way));
            }
            ways
        })
        .collect()
}

/// Operations of the tool that none of its calls came to.
fn unreached<'a>(tool: &'a Tool, seen: &'a [Seen]) -> impl Iterator<Item = &'a String> {
    let own = requests(tool).filter_map(|request| request.operation.as_ref());
    let steps = tool.steps.iter().filter_map(|step| step.operation.as_ref());
    own.chain(steps).filter(move |operation| {
        !seen
            .iter()
            .any(|seen| seen.operation.as_ref() == Some(*operation))
    })
}

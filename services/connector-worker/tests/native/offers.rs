//! Resources, prompts and completion of native connectors, asked as a gateway asks a worker.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use catalog::Catalog;
use connector_worker::{Config, Deps, Worker};
use domain::{ConnectorId, KeyId, Principal, Scope, TenantId};
use fabric::{
    BoxFuture, Call, Execute, Lease, LeaseError, Leases, Method, Outcome, Request, RpcError,
    Workers,
};
use runtime::{SystemClock, TimeOrderedIds};
use secrecy::{ExposeSecret, SecretBox};
use serde_json::{Value, json};
use testkit::provider::{Api, Provider, Reply, Rules};

use crate::support::{TOKEN, lease_of};

const NOT_FOUND: i64 = -32002;
const INVALID: i64 = -32602;
const NO_METHOD: i64 = -32601;

/// A worker with one connector, before a provider that allows everything.
struct Stage {
    worker: Worker,
    provider: Provider,
    tenant: TenantId,
    connector: ConnectorId,
}

struct OneConnector(Lease);

impl Leases for OneConnector {
    fn lease(&self, _: TenantId, _: ConnectorId) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        let lease = Lease {
            connector: self.0.connector.clone(),
            secrets: SecretBox::new(Box::new(self.0.secrets.expose_secret().clone())),
            takes_accounts: self.0.takes_accounts,
        };
        Box::pin(std::future::ready(Ok(lease)))
    }
}

impl Stage {
    async fn of(catalog: &str) -> Self {
        let provider = Provider::start(Api::anything(), Rules::default()).await;
        let lease = lease_of(catalog, provider.url(), Some(TOKEN));
        let (tenant, connector) = (lease.connector.tenant, lease.connector.id);
        let allow_loopback = egress::EgressConfig {
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            ..egress::EgressConfig::default()
        };
        let deps = Deps {
            leases: Arc::new(OneConnector(lease)),
            catalog: Catalog::builtin(),
            egress: egress::Client::new(&allow_loopback).unwrap(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(TimeOrderedIds),
            listener: None,
            environment: Vec::new(),
        };
        let (_, process) = runtime::Process::new();
        // Google's documents are listed by another host of Google's.
        let drive = "https://www.googleapis.com".to_owned();
        let config = Config {
            origins: [(drive, provider.url().parse().unwrap())].into(),
            ..Config::default()
        };
        Self {
            worker: Worker::build(config, deps, &process).unwrap(),
            provider,
            tenant,
            connector,
        }
    }

    /// `params` are those of the request but for the name.
    async fn ask(&self, method: Method, name: Option<&str>, params: &Value) -> Outcome {
        let rest = params.to_string();
        let arguments = (method == Method::GetPrompt).then(|| Bytes::from(rest.clone()));
        let inside = rest
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let call = Call {
            tenant: self.tenant,
            connector: self.connector,
            version: 1,
            accounts: 0,
            request: Request {
                rest: Bytes::from(inside.unwrap().to_owned()),
                arguments,
                ..Request::new(method, name.map(str::to_owned))
            },
            client: Arc::default(),
            session: None,
            principal: Principal {
                key: KeyId::new(uuid::Uuid::from_u128(3)),
                scope: Scope::TenantUser,
                tenant: Some(self.tenant),
            },
            user_token: None,
            deadline: Duration::from_secs(20),
            request_id: "r1".to_owned(),
            affinity: fabric::Affinity::None,
        };
        self.worker.execute(call, None).await
    }

    async fn result(&self, method: Method, name: Option<&str>, params: Value) -> Value {
        match self.ask(method, name, &params).await {
            Outcome::Result(result) => serde_json::from_slice(&result).unwrap(),
            other => panic!("{method:?} {name:?}: {other:?}"),
        }
    }

    async fn error(&self, method: Method, name: Option<&str>, params: Value) -> RpcError {
        match self.ask(method, name, &params).await {
            Outcome::Error(error) => error,
            other => panic!("{method:?} {name:?}: {other:?}"),
        }
    }

    fn targets(&self) -> Vec<String> {
        let seen = self.provider.seen().into_iter();
        seen.map(|seen| format!("{} {}", seen.method, seen.target))
            .collect()
    }
}

#[tokio::test]
async fn resources_are_listed_page_by_page_and_read_by_their_addresses() {
    let github = Stage::of("github").await;
    let next = format!(
        "<{}/user/repos?page=2>; rel=\"next\"",
        github.provider.url()
    );
    let repo = |name: &str| {
        json!([{
            "name": name, "full_name": format!("ada/{name}"), "owner": { "login": "ada" },
            "description": null,
        }])
    };
    github.provider.script([
        Reply::json(200, &repo("engine x")).with("link", next),
        Reply::json(200, &repo("notes")),
        Reply::json(200, &repo("engine x")[0]),
        Reply::json(200, &json!({ "encoding": "base64", "content": "IyBIaQo=" })),
        Reply::text(200, "text/plain", "--- a\n+++ b\n"),
    ]);

    let templates = github
        .result(Method::ListResourceTemplates, None, json!({}))
        .await;
    let first = github.result(Method::ListResources, None, json!({})).await;
    let cursor = first["nextCursor"].clone();
    let second = github
        .result(Method::ListResources, None, json!({ "cursor": cursor }))
        .await;

    let templates: Vec<&Value> = templates["resourceTemplates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|template| &template["uriTemplate"])
        .collect();
    assert!(
        templates.contains(&&json!("github://repo/{owner}/{repo}")),
        "{templates:?}"
    );
    assert!(templates.contains(&&json!("github://file/{owner}/{repo}/{+path}")));
    let listed = json!([{
        "uri": "github://repo/ada/engine%20x", "name": "ada/engine x", "title": "ada/engine x",
        "mimeType": "application/json",
    }]);
    assert_eq!(first["resources"], listed);
    assert_eq!(second["resources"][0]["uri"], "github://repo/ada/notes");
    assert_eq!(second.get("nextCursor"), None);

    let uri = listed[0]["uri"].as_str();
    let read = github.result(Method::ReadResource, uri, json!({})).await;
    let content = &read["contents"][0];
    assert_eq!(
        (content["uri"].as_str(), &content["mimeType"]),
        (uri, &json!("application/json"))
    );
    let told: Value = serde_json::from_str(content["text"].as_str().unwrap()).unwrap();
    assert_eq!(told["full_name"], "ada/engine x");
    let file = "github://file/ada/notes/docs/a%20b.md";
    let read = github
        .result(Method::ReadResource, Some(file), json!({}))
        .await;
    assert_eq!(
        read,
        json!({ "contents": [{ "uri": file, "mimeType": "text/plain", "text": "# Hi\n" }] })
    );
    let diff = "github://repo/ada/notes/pulls/7/diff";
    let read = github
        .result(Method::ReadResource, Some(diff), json!({}))
        .await;
    assert_eq!(read["contents"][0]["mimeType"], "text/x-diff");
    assert_eq!(read["contents"][0]["text"], "--- a\n+++ b\n");
    assert_eq!(
        github.targets(),
        [
            "GET /user/repos?type=all&sort=pushed&per_page=50&page=1",
            "GET /user/repos?type=all&sort=pushed&per_page=50&page=2",
            "GET /repos/ada/engine%20x",
            "GET /repos/ada/notes/contents/docs/a%20b.md",
            "GET /repos/ada/notes/pulls/7",
        ]
    );
}

#[tokio::test]
async fn what_is_not_there_is_told_apart_from_what_is_refused() {
    let github = Stage::of("github").await;
    let repo = Some("github://repo/ada/notes");
    let refused = |status| Reply::json(status, &json!({ "message": "no" }));
    github
        .provider
        .script([refused(404), refused(403), refused(403)]);

    let absent = github.error(Method::ReadResource, repo, json!({})).await;
    assert_eq!(absent.code, NOT_FOUND);
    let data: Value = serde_json::from_slice(&absent.data.unwrap()).unwrap();
    assert_eq!(data, json!({ "uri": "github://repo/ada/notes" }));
    let refused = github.error(Method::ReadResource, repo, json!({})).await;
    assert_ne!(refused.code, NOT_FOUND);
    assert!(
        refused.message.contains("may not do this"),
        "{}",
        refused.message
    );
    let refused = github.error(Method::ListResources, None, json!({})).await;
    assert!(
        refused.message.contains("may not do this"),
        "{}",
        refused.message
    );

    let sent = github.targets().len();
    for uri in [
        "github://repo/ada",
        "jira://issue/X-1",
        "",
        "github://file/a/b/",
    ] {
        let error = github
            .error(Method::ReadResource, Some(uri), json!({}))
            .await;
        assert_eq!(error.code, NOT_FOUND, "{uri}");
    }
    // Something no template can mean, however it is encoded.
    let dots = github
        .error(Method::ReadResource, Some("github://repo/../x"), json!({}))
        .await;
    assert!(dots.message.contains("was not called"), "{}", dots.message);
    for cursor in ["x", "{\"list\":-1}"] {
        let params = json!({ "cursor": cursor });
        let error = github.error(Method::ListResources, None, params).await;
        assert_eq!(error.code, INVALID, "{cursor}");
    }
    assert_eq!(github.targets().len(), sent);
}

#[tokio::test]
async fn prompts_are_filled_in_and_refuse_what_they_do_not_know() {
    let github = Stage::of("github").await;
    let get = async |arguments: Value| {
        let name = Some("github_review_pull_request");
        github.ask(Method::GetPrompt, name, &arguments).await
    };

    let listed = github.result(Method::ListPrompts, None, json!({})).await;
    let prompt = &listed["prompts"][0];
    assert_eq!(prompt["name"], "github_review_pull_request");
    assert_eq!(prompt["arguments"][0]["required"], true);
    assert_eq!(prompt["arguments"][3]["required"], false);

    let given = json!({ "owner": "ada", "repo": "notes", "pull_number": "7", "focus": "tests" });
    let Outcome::Result(result) = get(given.clone()).await else {
        panic!("the prompt is there")
    };
    let result: Value = serde_json::from_slice(&result).unwrap();
    let message = &result["messages"][0];
    assert_eq!(
        (&message["role"], &message["content"]["type"]),
        (&json!("user"), &json!("text"))
    );
    let text = message["content"]["text"].as_str().unwrap();
    assert!(
        text.starts_with("Review pull request 7 of ada/notes."),
        "{text}"
    );
    assert!(text.contains("Look most at tests."), "{text}");

    for (change, rule) in [
        (json!({ "owner": null }), "argument \"owner\" is required"),
        (
            json!({ "focus": "style" }),
            "argument \"focus\" must be one of correctness,",
        ),
        (
            json!({ "pull_number": 7 }),
            "argument \"pull_number\" must be a text",
        ),
        (
            json!({ "branch": "x" }),
            "argument \"branch\" is not known; the prompt takes: owner,",
        ),
    ] {
        let mut arguments = given.clone();
        arguments
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let Outcome::Error(error) = get(arguments).await else {
            panic!("{rule}")
        };
        assert_eq!(error.code, INVALID);
        assert!(error.message.contains(rule), "{}", error.message);
    }
    let error = github
        .error(Method::GetPrompt, Some("github_no"), json!({}))
        .await;
    assert_eq!(
        (error.code, error.message.as_str()),
        (INVALID, "Unknown prompt: github_no")
    );
    assert_eq!(github.targets(), [""; 0], "nothing is asked for a prompt");
}

#[tokio::test]
async fn what_the_manifest_knows_is_completed() {
    let github = Stage::of("github").await;
    let complete = async |reference: Value, name: &str, value: &str| {
        let params = json!({ "ref": reference, "argument": { "name": name, "value": value } });
        github.ask(Method::Complete, None, &params).await
    };
    let prompt = json!({ "type": "ref/prompt", "name": "github_review_pull_request" });
    let address = json!({ "type": "ref/resource", "uri": "github://repo/{owner}/{repo}" });
    let completion = |outcome: Outcome| match outcome {
        Outcome::Result(result) => {
            let result: Value = serde_json::from_slice(&result).unwrap();
            result["completion"].clone()
        }
        other => panic!("{other:?}"),
    };

    let found = completion(complete(prompt.clone(), "focus", "Re").await);
    assert_eq!(
        found,
        json!({ "values": ["readability"], "total": 1, "hasMore": false })
    );
    let all = completion(complete(prompt.clone(), "focus", "").await);
    assert_eq!(all["total"], 5);
    let free = completion(complete(address.clone(), "owner", "a").await);
    assert_eq!(free["values"], json!([]));
    for (reference, name) in [(prompt, "nobody"), (address, "nobody")] {
        let Outcome::Error(error) = complete(reference, name, "").await else {
            panic!("{name} is nothing")
        };
        assert_eq!(error.code, INVALID);
    }
}

/// The least object that has these values at those places.
fn object(values: &[(&catalog::ResultPath, &str)]) -> Value {
    let mut whole = json!({});
    for (path, value) in values {
        let mut at = &mut whole;
        for step in &path.0 {
            let key = match step {
                catalog::Step::Key(key) => key.clone(),
                other => panic!("{other:?}"),
            };
            at = &mut at[key];
        }
        *at = json!(value);
    }
    whole
}

#[tokio::test]
async fn what_a_tool_lists_becomes_resources_in_every_connector() {
    let mut lists = 0;
    for connector in Catalog::builtin().connectors() {
        for resource in &connector.resources {
            let Some(list) = &resource.list else { continue };
            lists += 1;
            let tool = connector.tool(&list.tool).unwrap();
            let of_variables = list.variables.iter().map(|path| (path, "v7"));
            // Some lists keep only files of a kind.
            let filter = tool.response.filter.iter();
            let filter = filter.map(|(path, suffixes)| (path, suffixes[0].as_str()));
            let item = object(&of_variables.chain(filter).collect::<Vec<_>>());
            let place = tool.response.items.as_ref().unwrap();
            let answer = match place.0.is_empty() {
                true => json!([item]),
                false => {
                    let mut answer = object(&[(place, "")]);
                    *place.get_mut(&mut answer).unwrap() = json!([item]);
                    answer
                }
            };
            let stage = Stage::of(&connector.name).await;
            stage.provider.forever(Reply::json(200, &answer));
            let values: Vec<String> = list.variables.iter().map(|_| "v7".to_owned()).collect();
            let uri = resource.uri.expand(&values).unwrap();

            let mut found = Vec::new();
            let mut params = json!({});
            while found.len() < connector.resources.len() + 8 {
                let page = stage.result(Method::ListResources, None, params).await;
                found.extend(page["resources"].as_array().unwrap().clone());
                if page["nextCursor"].is_null() {
                    break;
                }
                params = json!({ "cursor": page["nextCursor"] });
            }

            let is_there = found.iter().any(|one| one["uri"] == json!(uri));
            assert!(is_there, "{uri}: {found:?}");
        }
    }
    assert!(lists >= 15, "{lists}");
}

#[tokio::test]
async fn every_resource_and_prompt_of_the_catalog_answers() {
    let (mut resources, mut prompts) = (0, 0);
    for connector in Catalog::builtin().connectors() {
        let stage = Stage::of(&connector.name).await;
        stage.provider.forever(Reply::json(200, &json!({})));
        let listing = stage
            .worker
            .list_tools(stage.tenant, stage.connector, 1)
            .await
            .unwrap();
        let declared = listing
            .server
            .map(|server| server.capabilities.get().to_owned());
        let declares = |what: &str| declared.as_ref().is_some_and(|all| all.contains(what));
        assert_eq!(declares("resources"), !connector.resources.is_empty());
        assert_eq!(declares("prompts"), !connector.prompts.is_empty());
        for resource in &connector.resources {
            resources += 1;
            let values = resource.uri.variables().iter();
            let values: Vec<String> = values.map(|_| "7".to_owned()).collect();
            let uri = resource.uri.expand(&values).unwrap();
            let before = stage.targets().len();
            match stage
                .ask(Method::ReadResource, Some(&uri), &json!({}))
                .await
            {
                Outcome::Result(result) => {
                    let result: Value = serde_json::from_slice(&result).unwrap();
                    assert_eq!(result["contents"][0]["uri"], json!(uri));
                }
                // An empty answer may mean that there is nothing, but it was asked for.
                other => assert!(stage.targets().len() > before, "{uri}: {other:?}"),
            }
            assert!(stage.targets().len() > before, "{uri} asks for nothing");
        }
        let lists = connector
            .resources
            .iter()
            .filter(|known| known.list.is_some())
            .count();
        let mut params = json!({});
        for _ in 0..lists {
            let before = stage.targets().len();
            let page = stage.result(Method::ListResources, None, params).await;
            assert!(stage.targets().len() > before, "{}", connector.name);
            params = json!({ "cursor": page["nextCursor"] });
        }
        for prompt in &connector.prompts {
            prompts += 1;
            let required = prompt.arguments.iter().filter(|arg| arg.required);
            let given: serde_json::Map<_, _> =
                required.map(|arg| (arg.name.clone(), json!("x"))).collect();
            let name = Some(prompt.name.as_str());
            let got = stage
                .result(Method::GetPrompt, name, Value::Object(given))
                .await;
            let text = got["messages"].to_string();
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let prefix = format!("{}_", connector.name);
            for word in words.filter(|word| word.starts_with(&prefix)) {
                assert!(
                    connector.tool(word).is_some(),
                    "{} names {word}",
                    prompt.name
                );
            }
        }
        if connector.resources.is_empty() {
            let error = stage.error(Method::ListResources, None, json!({})).await;
            assert_eq!(error.code, NO_METHOD, "{}", connector.name);
        }
        if connector.prompts.is_empty() {
            let error = stage.error(Method::ListPrompts, None, json!({})).await;
            assert_eq!(error.code, NO_METHOD, "{}", connector.name);
        }
    }
    eprintln!("{resources} resources, {prompts} prompts");
    assert!(resources >= 40 && prompts >= 20, "{resources} {prompts}");
}

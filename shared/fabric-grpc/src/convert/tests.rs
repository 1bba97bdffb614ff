//! What is sent comes back as it was, and nonsense is told as such.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::*;
use fabric::*;
use mcp::{ClientCapabilities, ClientProfile, LogLevel};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use prost::Message;
use proto::fabric::v1;
use secrecy::SecretString;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use uuid::Uuid;

use super::*;

/// Through the bytes of the wire.
fn sent<M: Message + Default>(message: &M) -> M {
    M::decode(Bytes::from(message.encode_to_vec())).unwrap()
}

/// Types without equality are compared by what is printed of them, which must then be all.
fn printed(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

fn id() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..50).prop_map(Bytes::from)
}

fn time() -> impl Strategy<Value = OffsetDateTime> {
    (0..4_000_000_000_i64, 0..1_000_000_u32).prop_map(|(seconds, micros)| {
        let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        time.replace_microsecond(micros).unwrap()
    })
}

fn method() -> impl Strategy<Value = Method> {
    use Method::*;
    prop::sample::select(vec![
        CallTool,
        ListPrompts,
        GetPrompt,
        ListResources,
        ListResourceTemplates,
        ReadResource,
        Complete,
        GetTask,
        UpdateTask,
        CancelTask,
        RootsChanged,
        GiveUp,
        Reply,
        EndSession,
        Watch,
        WatchTask,
    ])
}

prop_compose! {
    fn request()(
        method in method(), name in of(".*"), arguments in of(bytes()), rest in bytes(),
        meta in of(bytes()), headers in vec(("[a-z-]{1,9}", "[ -~]{0,9}"), 0..3),
        (progress, to_its_end) in any::<(bool, bool)>(),
        inputs in of((of(bytes()), of(".*"))),
    ) -> Request {
        let headers = headers.into_iter().map(|(name, value)| (name.into(), value.into()));
        Request {
            arguments, rest, meta, progress, to_its_end,
            param_headers: headers.collect(),
            inputs: inputs.map(|(responses, state)| Inputs { responses, state }),
            ..Request::new(method, name)
        }
    }
}

prop_compose! {
    fn profile()(
        flags in any::<[bool; 9]>(), ui in of(".*"),
        log_level in of(prop::sample::select(LogLevel::ALL.to_vec())),
    ) -> ClientProfile {
        let [roots, roots_list_changed, sampling, sampling_tools, sampling_context,
            elicitation_form, elicitation_url, tasks, log_default] = flags;
        ClientProfile {
            capabilities: ClientCapabilities {
                roots, roots_list_changed, sampling, sampling_tools, sampling_context,
                elicitation_form, elicitation_url, tasks, ui,
            },
            log_level,
            log_default,
        }
    }
}

prop_compose! {
    fn call()(
        (tenant, connector, key) in (id(), id(), id()), version in any::<i64>(),
        request in request(), client in profile(),
        scope in prop::sample::select(Scope::ALL.to_vec()), own in of(id()), session in of(id()),
        token in of("[ -~]{1,20}"), deadline in (0..9_999_u64, 0..1_000_000_000_u32),
        request_id in ".*",
        affinity in prop::sample::select(
            vec![Affinity::None, Affinity::Connector, Affinity::Principal]
        ),
    ) -> Call {
        Call {
            tenant: TenantId::new(tenant),
            connector: ConnectorId::new(connector),
            version, accounts: version, request, session, request_id, affinity,
            client: Arc::new(client),
            principal: Principal { key: KeyId::new(key), scope, tenant: own.map(TenantId::new) },
            user_token: token.map(|token| Arc::new(SecretString::from(token))),
            deadline: Duration::new(deadline.0, deadline.1),
        }
    }
}

fn input() -> impl Strategy<Value = InputRequired> {
    (of(bytes()), of(".*"), of(bytes())).prop_map(|(requests, state, meta)| InputRequired {
        requests,
        state,
        meta,
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let error = (any::<i64>(), ".*", of(bytes()), of(bytes()));
    let error = error.prop_map(|(code, message, data, raw)| RpcError {
        code,
        message,
        data,
        raw,
    });
    let kind = prop::sample::select(FailureKind::ALL.to_vec());
    let failure = (kind, ".*", any::<bool>()).prop_map(|(kind, message, possible)| Failure {
        kind,
        message,
        effect: if possible {
            Effect::Possible
        } else {
            Effect::None
        },
    });
    prop_oneof![
        bytes().prop_map(Outcome::Result),
        input().prop_map(Outcome::InputRequired),
        error.prop_map(Outcome::Error),
        failure.prop_map(Outcome::Failed),
    ]
}

fn event() -> impl Strategy<Value = CallEvent> {
    let lists = vec![List::Tools, List::Prompts, List::Resources];
    prop_oneof![
        bytes().prop_map(CallEvent::Progress),
        bytes().prop_map(CallEvent::Log),
        bytes().prop_map(CallEvent::Task),
        bytes().prop_map(CallEvent::ElicitationComplete),
        bytes().prop_map(CallEvent::ResourceUpdated),
        input().prop_map(CallEvent::Asked),
        Just(CallEvent::Watching),
        prop::sample::select(lists).prop_map(CallEvent::ListChanged),
    ]
}

prop_compose! {
    fn stored_key()(
        (key, own) in (id(), of(id())), name in ".*",
        scope in prop::sample::select(Scope::ALL.to_vec()),
        (revoked, created_at, expires_at, last_used_at) in (of(time()), time(), of(time()), of(time())),
        hash in any::<[u8; 32]>(),
    ) -> StoredKey {
        StoredKey {
            hash,
            key: ApiKey {
                id: KeyId::new(key), name, scope, tenant: own.map(TenantId::new),
                state: revoked.map_or(KeyState::Active, |at| KeyState::Revoked { at }),
                created_at, expires_at, last_used_at,
            },
        }
    }
}

fn kind() -> impl Strategy<Value = ConnectorKind> {
    prop::sample::select(vec![
        ConnectorKind::Native {
            catalog: "github".to_owned(),
            base_url: Some("https://example.com/api".parse().unwrap()),
        },
        ConnectorKind::RemoteMcp {
            url: "https://example.com/mcp?a=b".parse().unwrap(),
        },
        ConnectorKind::HostedMcp {
            command: vec!["npx".to_owned(), "-y".to_owned()],
            working_directory: Some("/srv".to_owned()),
        },
    ])
}

prop_compose! {
    fn connector()(
        (connector, tenant) in (id(), id()), slug in "[a-z]{9,12}", display_name in ".*",
        kind in kind(), enabled in any::<bool>(), prefix in "[a-z]{0,3}",
        names in vec(".*", 0..3), version in any::<i64>(),
        on_change in prop::sample::select(vec![OnChange::Hold, OnChange::Warn, OnChange::Accept]),
        state in prop::sample::select(vec![SyncState::Pending, SyncState::Ok, SyncState::Failed]),
        (at, created_at, updated_at) in (of(time()), time(), time()), error in of(".*"),
        (tools, count) in any::<(u32, u32)>(),
    ) -> Connector {
        Connector {
            id: ConnectorId::new(connector), tenant: TenantId::new(tenant),
            slug: slug.parse().unwrap(),
            display_name, kind, enabled, prefix, version, on_change, created_at, updated_at,
            credential: CredentialInfo {
                token_set: enabled, header_names: names.clone(), env_names: Vec::new(),
            },
            sync: SyncStatus { state, at, error, tools, changed: ChangedTools { count, names } },
        }
    }
}

fn tool(name: &str) -> Tool {
    let json = format!(r#"{{ "name":"{name}","inputSchema":{{"type":"object"}},"x":1.0}}"#);
    Tool {
        definition: ToolDefinition::parse(RawValue::from_string(json).unwrap()).unwrap(),
        enabled: name.len() > 3,
    }
}

prop_compose! {
    fn tenant_config()(
        tenant in id(), slug in "[a-z]{9,12}", texts in any::<[String; 3]>(),
        active in any::<bool>(), (created_at, updated_at) in (time(), time()),
        (version, revision) in any::<(i64, i64)>(), keys in vec(stored_key(), 0..3),
        connectors in vec((connector(), vec("[a-z]{1,9}", 0..3), of(of(".*"))), 0..3),
        accounts in any::<i64>(),
    ) -> TenantConfig {
        let [name, description, contact_email] = texts;
        let connectors = connectors.into_iter().map(|(connector, tools, server)| ConnectorConfig {
            connector,
            accounts,
            tools: tools.iter().map(|name| tool(name)).collect(),
            server: server.map(|instructions| UpstreamInfo {
                version: "2025-11-25".to_owned(),
                capabilities: RawValue::from_string(r#"{"tools": {}}"#.to_owned()).unwrap(),
                instructions,
                tool_list: Some(RawValue::from_string(r#"{"tools":[]}"#.to_owned()).unwrap()),
            }),
        });
        TenantConfig {
            revision, keys,
            connectors: connectors.collect(),
            tenant: Tenant {
                id: TenantId::new(tenant), slug: slug.parse().unwrap(),
                name, description, contact_email, created_at, updated_at, version,
                state: if active { TenantState::Active } else { TenantState::Inactive },
            },
        }
    }
}

proptest! {
    #[test]
    fn a_call_arrives_as_it_was_sent(call in call(), heard in any::<bool>()) {
        use secrecy::ExposeSecret;
        let token = |call: &Call| {
            let token = call.user_token.as_ref();
            token.map(|token| token.expose_secret().to_owned())
        };

        let (arrived, was_heard) = call_from(sent(&call_to(call.clone(), heard))).unwrap();

        prop_assert_eq!(printed(&arrived), printed(&call));
        prop_assert_eq!(token(&arrived), token(&call));
        prop_assert_eq!(was_heard, heard);
    }

    #[test]
    fn outcomes_and_events_arrive_as_they_were_sent(outcome in outcome(), event in event()) {
        let arrived = outcome_from(sent(&outcome_to(outcome.clone()))).unwrap();
        prop_assert_eq!(printed(&arrived), printed(&outcome));
        let arrived = event_from(sent(&event_to(event.clone()).unwrap())).unwrap();
        prop_assert_eq!(printed(&arrived), printed(&event));
    }

    #[test]
    fn configuration_arrives_as_it_was_sent(config in tenant_config()) {
        let arrived = tenant_config_from(sent(&tenant_config_to(&config))).unwrap();
        prop_assert_eq!(printed(&arrived), printed(&config));
        let platform = PlatformConfig { revision: config.revision, keys: config.keys };
        let arrived = platform_from(&sent(&platform_to(&platform))).unwrap();
        prop_assert_eq!(printed(&arrived), printed(&platform));
    }

    #[test]
    fn no_bytes_of_a_peer_do_more_than_fail(bytes in vec(any::<u8>(), 0..200)) {
        let _ = v1::Call::decode(&bytes[..]).map(call_from);
        let _ = v1::Outcome::decode(&bytes[..]).map(outcome_from);
        let _ = v1::Event::decode(&bytes[..]).map(event_from);
        let _ = v1::TenantConfig::decode(&bytes[..]).map(tenant_config_from);
        let _ = v1::Process::decode(&bytes[..]).map(process_from);
        let _ = v1::Listing::decode(&bytes[..]).map(listing_from);
    }
}

#[test]
fn what_workers_say_of_processes_and_tools_arrives() {
    let at = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
    let process = ProcessStatus {
        state: ProcessState::BackingOff,
        pid: Some(7),
        started_at: Some(at),
        restarts: 3,
        last_exit: Some("exit 1".to_owned()),
    };
    assert_eq!(process_from(process_to(process.clone())), Ok(process));
    let line = StderrLine {
        at,
        text: "ready".to_owned(),
    };
    assert_eq!(stderr_from(stderr_to(line.clone())), Ok(line));
    let listing = Listing {
        tools: vec![tool("a").definition, tool("b").definition],
        server: None,
    };
    let arrived = listing_from(listing_to(listing.clone())).unwrap();
    assert_eq!(arrived.tools, listing.tools);
}

#[test]
fn each_field_that_holds_nonsense_is_named() {
    let good = || v1::Call {
        tenant_id: Uuid::nil().to_string(),
        connector_id: Uuid::nil().to_string(),
        method: "tools/call".to_owned(),
        principal: Some(v1::Principal {
            key_id: Uuid::nil().to_string(),
            scope: "tenant_user".to_owned(),
            tenant_id: None,
        }),
        deadline: Some(prost_types::Duration {
            seconds: 1,
            nanos: 0,
        }),
        ..v1::Call::default()
    };
    assert!(call_from(good()).is_ok());
    let spoilt = |field, spoil: fn(&mut v1::Call)| {
        let mut call = good();
        spoil(&mut call);
        let error = call_from(call).unwrap_err();
        assert_eq!(error, Invalid(field));
        let status = tonic::Status::from(error);
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
    };
    spoilt("tenant_id", |call| call.tenant_id = "x".to_owned());
    spoilt("connector_id", |call| call.connector_id.clear());
    spoilt("method", |call| call.method = "tools/list".to_owned());
    spoilt("principal", |call| call.principal = None);
    spoilt("principal.scope", |call| {
        call.principal.as_mut().unwrap().scope.clear();
    });
    spoilt("session", |call| call.session = Some("7".to_owned()));
    spoilt("deadline", |call| call.deadline = None);
    spoilt("deadline", |call| {
        call.deadline.as_mut().unwrap().seconds = -1;
    });
    spoilt("client.log_level", |call| {
        call.client = Some(v1::Client {
            log_level: Some("loud".to_owned()),
            ..v1::Client::default()
        });
    });
}

#[test]
fn json_parts_are_not_copied() {
    let result = Bytes::from(vec![b'x'; 1024]);
    let begin = result.as_ptr();
    let v1::outcome::Outcome::Result(kept) = outcome_to(Outcome::Result(result)).outcome.unwrap()
    else {
        panic!("another outcome");
    };
    assert_eq!(kept.as_ptr(), begin);
}

#[test]
fn nothing_secret_is_printed() {
    let call = v1::Call {
        user_token: Some("hunter2".to_owned()),
        arguments: Some(Bytes::from_static(b"hunter2")),
        ..v1::Call::default()
    };
    let lease = v1::LeaseResponse {
        connector: None,
        secrets_json: Bytes::from_static(b"hunter2"),
        takes_accounts: true,
    };
    let tokens = v1::AccountTokens {
        access_token: "hunter2".to_owned(),
        user_token: Some("hunter2".to_owned()),
        ..v1::AccountTokens::default()
    };
    let missing = v1::MissingAccount {
        connect_url: Some("https://hunter2".to_owned()),
        message: String::new(),
    };
    let key = v1::Key {
        hash: Bytes::from_static(b"hunter2"),
        ..v1::Key::default()
    };
    let all = [
        printed(&call),
        printed(&lease),
        printed(&key),
        printed(&tokens),
        printed(&missing),
    ];
    for printed in all {
        assert!(!printed.contains("hunter2") && !printed.contains("104, 117"));
    }
}

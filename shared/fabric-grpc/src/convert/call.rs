//! A call.

use std::sync::Arc;
use std::time::Duration;

use domain::Principal;
use fabric::{Affinity, Call, Inputs, Method, Request};
use mcp::{ClientCapabilities, ClientProfile};
use proto::fabric::v1;
use secrecy::{ExposeSecret, SecretString};

use super::scalars::parse;
use super::{Invalid, need};

/// All methods, with their names on the wire: some have no name of their own in the protocol.
const METHODS: [(Method, &str); 16] = [
    (Method::CallTool, "tools/call"),
    (Method::ListPrompts, "prompts/list"),
    (Method::GetPrompt, "prompts/get"),
    (Method::ListResources, "resources/list"),
    (Method::ListResourceTemplates, "resources/templates/list"),
    (Method::ReadResource, "resources/read"),
    (Method::Complete, "completion/complete"),
    (Method::GetTask, "tasks/get"),
    (Method::UpdateTask, "tasks/update"),
    (Method::CancelTask, "tasks/cancel"),
    (Method::RootsChanged, "roots_changed"),
    (Method::GiveUp, "give_up"),
    (Method::Reply, "reply"),
    (Method::EndSession, "end_session"),
    (Method::Watch, "watch"),
    (Method::WatchTask, "watch_task"),
];

/// A method that is not in the table has the empty name, which every worker refuses.
fn method_to(method: Method) -> String {
    let known = METHODS.iter().find(|(known, _)| *known == method);
    known.map_or("", |(_, name)| name).to_owned()
}

fn method_from(name: &str) -> Result<Method, Invalid> {
    let known = METHODS.iter().find(|(_, known)| *known == name);
    need(known.map(|(method, _)| *method), "method")
}

/// `heard`: whether anybody listens to its events.
pub fn call_to(call: Call, heard: bool) -> v1::Call {
    let request = call.request;
    v1::Call {
        tenant_id: call.tenant.to_string(),
        connector_id: call.connector.to_string(),
        version: call.version,
        accounts: call.accounts,
        method: method_to(request.method),
        name: request.name,
        arguments: request.arguments,
        rest: request.rest,
        meta: request.meta,
        progress: request.progress,
        inputs: request.inputs.map(|inputs| v1::Inputs {
            responses: inputs.responses,
            state: inputs.state,
        }),
        client: Some(client_to(&call.client)),
        principal: Some(principal_to(call.principal)),
        user_token: call
            .user_token
            .map(|token| token.expose_secret().to_owned()),
        deadline: Some(duration_to(call.deadline)),
        request_id: call.request_id,
        session: call.session.map(|session| session.to_string()),
        param_headers: request
            .param_headers
            .into_iter()
            .map(|(name, value)| v1::Header {
                name: name.into(),
                value: value.into(),
            })
            .collect(),
        to_its_end: request.to_its_end,
        heard,
        affinity: match call.affinity {
            Affinity::None => v1::Affinity::Unspecified,
            Affinity::Connector => v1::Affinity::Connector,
            Affinity::Principal => v1::Affinity::Principal,
        }
        .into(),
    }
}

/// The call, and whether anybody listens to its events.
///
/// # Errors
/// A field holds nothing that it may hold.
pub fn call_from(call: v1::Call) -> Result<(Call, bool), Invalid> {
    let affinity = match call.affinity() {
        v1::Affinity::Unspecified => Affinity::None,
        v1::Affinity::Connector => Affinity::Connector,
        v1::Affinity::Principal => Affinity::Principal,
    };
    let session = call.session.as_deref();
    let token = call.user_token.map(SecretString::from);
    let from = Call {
        tenant: parse(&call.tenant_id, "tenant_id")?,
        connector: parse(&call.connector_id, "connector_id")?,
        version: call.version,
        accounts: call.accounts,
        client: Arc::new(client_from(call.client.unwrap_or_default())?),
        principal: principal_from(&need(call.principal, "principal")?)?,
        session: session.map(|id| parse(id, "session")).transpose()?,
        user_token: token.map(Arc::new),
        deadline: duration_from(&need(call.deadline, "deadline")?)?,
        request_id: call.request_id,
        affinity,
        request: Request {
            method: method_from(&call.method)?,
            name: call.name,
            arguments: call.arguments,
            rest: call.rest,
            meta: call.meta,
            param_headers: call
                .param_headers
                .into_iter()
                .map(|header| (header.name.into(), header.value.into()))
                .collect(),
            progress: call.progress,
            inputs: call.inputs.map(|inputs| Inputs {
                responses: inputs.responses,
                state: inputs.state,
            }),
            to_its_end: call.to_its_end,
            only_reads: false,
        },
    };
    Ok((from, call.heard))
}

fn principal_to(principal: Principal) -> v1::Principal {
    v1::Principal {
        key_id: principal.key.to_string(),
        scope: principal.scope.as_str().to_owned(),
        tenant_id: principal.tenant.map(|tenant| tenant.to_string()),
    }
}

fn principal_from(principal: &v1::Principal) -> Result<Principal, Invalid> {
    let tenant = principal.tenant_id.as_deref();
    Ok(Principal {
        key: parse(&principal.key_id, "principal.key_id")?,
        scope: parse(&principal.scope, "principal.scope")?,
        tenant: tenant
            .map(|tenant| parse(tenant, "principal.tenant_id"))
            .transpose()?,
    })
}

fn client_to(client: &ClientProfile) -> v1::Client {
    let can = &client.capabilities;
    v1::Client {
        roots: can.roots,
        roots_list_changed: can.roots_list_changed,
        sampling: can.sampling,
        sampling_tools: can.sampling_tools,
        sampling_context: can.sampling_context,
        elicitation_form: can.elicitation_form,
        elicitation_url: can.elicitation_url,
        tasks: can.tasks,
        ui: can.ui.clone(),
        log_level: client.log_level.map(|level| level.as_str().to_owned()),
        log_default: client.log_default,
    }
}

fn client_from(client: v1::Client) -> Result<ClientProfile, Invalid> {
    let level = client.log_level.as_deref();
    Ok(ClientProfile {
        log_level: level
            .map(|level| parse(level, "client.log_level"))
            .transpose()?,
        log_default: client.log_default,
        capabilities: ClientCapabilities {
            roots: client.roots,
            roots_list_changed: client.roots_list_changed,
            sampling: client.sampling,
            sampling_tools: client.sampling_tools,
            sampling_context: client.sampling_context,
            elicitation_form: client.elicitation_form,
            elicitation_url: client.elicitation_url,
            tasks: client.tasks,
            ui: client.ui,
        },
    })
}

/// More than the wire can say is as good as what it can.
pub(crate) fn duration_to(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).expect("less than a second"),
    }
}

pub(super) fn duration_from(duration: &prost_types::Duration) -> Result<Duration, Invalid> {
    let invalid = |_| Invalid("deadline");
    let seconds = u64::try_from(duration.seconds).map_err(invalid)?;
    let nanos = u32::try_from(duration.nanos).map_err(invalid)?;
    if nanos >= 1_000_000_000 {
        return Err(Invalid("deadline"));
    }
    Ok(Duration::new(seconds, nanos))
}

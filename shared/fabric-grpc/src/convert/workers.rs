//! What control-planes ask of workers.

use domain::ToolDefinition;
use fabric::{Listing, ProcessState, ProcessStatus, StderrLine};
use proto::fabric::v1;

use super::scalars::{json, needed_time, raw, some_time_from};
use super::{Invalid, need, time_to};

pub fn listing_to(listing: Listing) -> v1::Listing {
    let tools = listing.tools.into_iter();
    v1::Listing {
        tools_json: tools
            .map(|tool| Box::<str>::from(tool.json).into_string())
            .collect(),
        server_json: listing.server.as_ref().map(json),
    }
}

/// # Errors
/// A definition is none, or the server's words are no JSON.
pub fn listing_from(listing: v1::Listing) -> Result<Listing, Invalid> {
    Ok(Listing {
        tools: listing
            .tools_json
            .into_iter()
            .map(definition_from)
            .collect::<Result<_, _>>()?,
        server: server_from(listing.server_json.as_deref())?,
    })
}

pub(super) fn definition_from(text: String) -> Result<ToolDefinition, Invalid> {
    let field = "tools";
    ToolDefinition::parse(raw(text, field)?).map_err(|_| Invalid(field))
}

pub(super) fn server_from(text: Option<&str>) -> Result<Option<domain::UpstreamInfo>, Invalid> {
    text.map(|text| serde_json::from_str(text).map_err(|_| Invalid("server_json")))
        .transpose()
}

pub fn process_to(process: ProcessStatus) -> v1::Process {
    v1::Process {
        state: process.state.as_str().to_owned(),
        pid: process.pid,
        started_at: process.started_at.map(time_to),
        restarts: process.restarts,
        last_exit: process.last_exit,
    }
}

/// # Errors
/// There is no such state, or no such time.
pub fn process_from(process: v1::Process) -> Result<ProcessStatus, Invalid> {
    use ProcessState::{BackingOff, Running, Starting, Stopped};
    let mut states = [Stopped, Starting, Running, BackingOff].into_iter();
    let state = states.find(|state| state.as_str() == process.state);
    Ok(ProcessStatus {
        state: need(state, "process.state")?,
        pid: process.pid,
        started_at: some_time_from(process.started_at)?,
        restarts: process.restarts,
        last_exit: process.last_exit,
    })
}

pub fn stderr_to(line: StderrLine) -> v1::StderrLine {
    v1::StderrLine {
        at: Some(time_to(line.at)),
        text: line.text,
    }
}

/// # Errors
/// There is no such time.
pub fn stderr_from(line: v1::StderrLine) -> Result<StderrLine, Invalid> {
    Ok(StderrLine {
        at: needed_time(line.at, "lines.at")?,
        text: line.text,
    })
}

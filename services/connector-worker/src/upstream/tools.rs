//! Reading a server's whole tool list.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use domain::limits::UPSTREAM_INFO_MAX_BYTES;
use domain::{ToolDefinition, UpstreamInfo};
use egress::Deadline;
use fabric::{Failure, FailureKind, Listing};
use mcp::{ClientProfile, HeaderParams};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Wire;
use super::agree::{Agreed, Era};
use super::answer::garbage;
use super::call::Trouble;
use super::peer::{Caller, Peer};
use crate::failure::sent;

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
    #[serde(default, rename = "nextCursor")]
    next_cursor: Option<String>,
}

/// What calls need to know of a server's tools. Most tools have none of it.
#[derive(Default)]
pub(super) struct ToolFacts {
    /// Whether a list was read at all.
    pub(super) read: bool,
    /// Annotated parameters, by tool.
    pub(super) header_params: HashMap<String, HeaderParams>,
    /// By tool, how it can run as a task of 2025-11-25; absent where it cannot.
    pub(super) tasks: HashMap<String, TaskSupport>,
}

/// `execution.taskSupport` of a tool (2025-11-25, "Tool-Level Negotiation"), but for `forbidden`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskSupport {
    Optional,
    Required,
}

/// What has been read so far.
#[derive(Default)]
struct List {
    tools: Vec<ToolDefinition>,
    names: HashSet<String>,
    facts: ToolFacts,
    dropped: usize,
    /// The first page around its tools, once that was read.
    frame: Option<Option<Box<RawValue>>>,
}

impl Peer {
    /// Reads the whole tool list, page by page, and keeps what calls need to know of it. Tools
    /// that break the protocol's rules are left out, and counted in the log.
    pub(crate) async fn list_tools(
        &self,
        client: &ClientProfile,
        deadline: Deadline,
    ) -> Result<Listing, Failure> {
        let config = &self.config;
        let (mut list, mut bytes) = (List::default(), 0);
        let (mut cursor, mut cursors) = (None::<String>, HashSet::new());
        for _ in 0..config.list_max_pages {
            let build = |agreed: &Agreed| self.list_request(cursor.as_deref(), client, agreed);
            let (agreed, page) = self
                .ask(build, &Caller::OURS, deadline)
                .await
                .map_err(failure_of)?;
            bytes += page.len();
            if bytes > config.list_max_bytes {
                return Err(too_much(&format!("{} bytes", config.list_max_bytes)));
            }
            let strict = agreed.era == Era::Modern && self.wire() == Wire::Http;
            let next = list.take(&page, strict)?;
            if list.tools.len() > config.list_max_tools {
                return Err(too_much(&format!("{} tools", config.list_max_tools)));
            }
            let Some(next) = next else {
                let server = UpstreamInfo {
                    tool_list: list.frame.take().flatten(),
                    ..agreed.info.clone()
                };
                return Ok(Listing {
                    tools: self.keep(list),
                    server: Some(server),
                });
            };
            if !cursors.insert(next.clone()) {
                return Err(garbage("a tool list that goes round in circles"));
            }
            cursor = Some(next);
        }
        Err(too_much(&format!("{} pages", config.list_max_pages)))
    }

    fn keep(&self, mut list: List) -> Vec<ToolDefinition> {
        if list.dropped > 0 {
            tracing::warn!(
                tools.dropped = list.dropped,
                tools.kept = list.tools.len(),
                "left out tools of an MCP server that break the protocol's rules"
            );
        }
        list.facts.read = true;
        self.link.known.tools.store(Arc::new(list.facts));
        list.tools
    }
}

impl List {
    /// Adds a page; returns the cursor of the next.
    fn take(&mut self, page: &Bytes, strict: bool) -> Result<Option<String>, Failure> {
        self.frame.get_or_insert_with(|| frame_of(page));
        let page: Page<'_> =
            serde_json::from_slice(page).map_err(|_| garbage("a tool list without tools"))?;
        for raw in page.tools {
            let header_params = if strict {
                header_params_of(raw)
            } else {
                Some(None)
            };
            match (ToolDefinition::parse(raw.to_owned()), header_params) {
                (Ok(tool), Some(params)) if self.names.insert(tool.name.clone()) => {
                    if let Some(params) = params {
                        let by_tool = &mut self.facts.header_params;
                        by_tool.insert(tool.name.clone(), params);
                    }
                    if let Some(support) = task_support_of(raw) {
                        self.facts.tasks.insert(tool.name.clone(), support);
                    }
                    self.tools.push(tool);
                }
                (Err(invalid), _) => {
                    tracing::debug!("left out a tool: {invalid}");
                    self.dropped += 1;
                }
                _ => self.dropped += 1, // a name used twice, or annotations against the rules
            }
        }
        Ok(page.next_cursor)
    }
}

/// What a page says around its tools, see [`UpstreamInfo::tool_list`].
fn frame_of(page: &Bytes) -> Option<Box<RawValue>> {
    let frame = mcp::edge::around_tools(page)?;
    if frame.len() > UPSTREAM_INFO_MAX_BYTES {
        tracing::warn!("left out what an MCP server says besides its tools: too long");
        return None;
    }
    RawValue::from_string(frame).ok()
}

/// The annotated parameters of a tool, if it has any; `None` when they break the rules.
#[expect(
    clippy::option_option,
    reason = "wrong, absent and present are three things"
)]
fn header_params_of(tool: &RawValue) -> Option<Option<HeaderParams>> {
    // Nearly no tool has them: spare the others a second reading.
    if !tool.get().contains("x-mcp-header") {
        return Some(None);
    }
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "inputSchema")]
        input_schema: serde_json::Value,
    }
    let head: Head = serde_json::from_str(tool.get()).ok()?;
    let params = HeaderParams::from_schema(&head.input_schema).ok()?;
    Some((!params.is_empty()).then_some(params))
}

fn task_support_of(tool: &RawValue) -> Option<TaskSupport> {
    if !tool.get().contains("taskSupport") {
        return None;
    }
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        execution: Execution<'a>,
    }
    #[derive(Deserialize)]
    struct Execution<'a> {
        #[serde(borrow, rename = "taskSupport")]
        task_support: Cow<'a, str>,
    }
    let head: Head<'_> = serde_json::from_str(tool.get()).ok()?;
    match &*head.execution.task_support {
        "optional" => Some(TaskSupport::Optional),
        "required" => Some(TaskSupport::Required),
        _ => None,
    }
}

fn too_much(limit: &str) -> Failure {
    sent(
        FailureKind::TooLarge,
        format!("the MCP server's tool list is longer than {limit}"),
    )
}

fn failure_of(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Failed(failure) => failure,
        Trouble::Error(error) => sent(
            FailureKind::Garbage,
            format!(
                "the MCP server refused to list its tools (error {})",
                error.code
            ),
        ),
    }
}

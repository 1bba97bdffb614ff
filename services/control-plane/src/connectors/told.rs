//! What an upstream told of itself and its tools: what of it can be kept, and what an operator
//! must hear of.

use std::collections::HashSet;

use domain::limits::{CHANGED_NAMES_MAX, TOOLS_PER_CONNECTOR, UPSTREAM_INFO_MAX_BYTES};
use domain::{Connector, ToolDefinition, UpstreamInfo};
use storage::Replaced;

/// What of an upstream's list can be served; what cannot is left out with a warning.
pub(super) fn usable(connector: &Connector, tools: &[ToolDefinition]) -> Vec<ToolDefinition> {
    let mut names = HashSet::new();
    let mut usable: Vec<ToolDefinition> = Vec::with_capacity(tools.len().min(TOOLS_PER_CONNECTOR));
    let mut twice = 0_usize;
    for tool in tools {
        if names.insert(tool.name.as_str()) {
            usable.push(tool.clone());
        } else {
            twice += 1;
        }
    }
    let beyond = usable.len().saturating_sub(TOOLS_PER_CONNECTOR);
    usable.truncate(TOOLS_PER_CONNECTOR);
    if twice > 0 || beyond > 0 {
        tracing::warn!(
            connector.id = %connector.id,
            twice,
            beyond,
            "tools are left out: named twice, or more than a connector may have"
        );
    }
    usable
}

/// What an upstream says of itself, as far as it is small enough to go with the configuration:
/// what is too long loses what its tool list says besides tools, then its instructions, and all of
/// it when that does not help.
pub(super) fn within_bounds(connector: &Connector, info: &UpstreamInfo) -> Option<UpstreamInfo> {
    let needed = info.version.len() + info.capabilities.get().len();
    let instructed = needed + info.instructions.as_deref().map_or(0, str::len);
    let all = instructed + info.tool_list.as_deref().map_or(0, |raw| raw.get().len());
    if all > UPSTREAM_INFO_MAX_BYTES {
        tracing::warn!(
            connector.id = %connector.id,
            "what the upstream says of itself is left out: more than {UPSTREAM_INFO_MAX_BYTES} bytes"
        );
    }
    (needed <= UPSTREAM_INFO_MAX_BYTES).then(|| UpstreamInfo {
        version: info.version.clone(),
        capabilities: info.capabilities.clone(),
        instructions: info
            .instructions
            .clone()
            .filter(|_| instructed <= UPSTREAM_INFO_MAX_BYTES),
        tool_list: info
            .tool_list
            .clone()
            .filter(|_| all <= UPSTREAM_INFO_MAX_BYTES),
    })
}

/// Says, once for each change, which tools are not what was approved.
pub(super) fn warn_of_changes(connector: &Connector, replaced: &Replaced) {
    for (tools, what) in [
        (&replaced.held, "held back until they are approved"),
        (
            &replaced.changed,
            "served with a change that nobody has approved",
        ),
    ] {
        if !tools.is_empty() {
            let names = &tools[..tools.len().min(CHANGED_NAMES_MAX)];
            tracing::warn!(
                tenant.id = %connector.tenant,
                connector.id = %connector.id,
                tools = tools.len(),
                ?names,
                "an upstream changed the definitions of tools: they are {what}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn what_an_upstream_says_of_itself_is_cut_to_its_bound() {
        let connector = super::super::tests::connector();
        let json = |bytes: usize| {
            let text = format!("\"{}\"", "c".repeat(bytes - 2));
            RawValue::from_string(text).unwrap()
        };
        let info = |capabilities: usize, instructions: usize, list: usize| {
            let info = UpstreamInfo {
                version: String::new(),
                capabilities: json(capabilities),
                instructions: Some("i".repeat(instructions)),
                tool_list: Some(json(list)),
            };
            let kept = within_bounds(&connector, &info);
            kept.map(|kept| (kept.instructions.is_some(), kept.tool_list.is_some()))
        };
        let most = UPSTREAM_INFO_MAX_BYTES;

        assert_eq!(info(most - 3, 1, 2), Some((true, true)));
        assert_eq!(info(most - 3, 1, 3), Some((true, false)));
        assert_eq!(info(most - 1, 2, 2), Some((false, false)));
        assert_eq!(info(most, 0, 2), Some((true, false)));
        assert_eq!(info(most + 1, 0, 2), None);
    }
}

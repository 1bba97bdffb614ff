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
/// what is too long loses its instructions, and all of it when that does not help.
pub(super) fn within_bounds(connector: &Connector, info: &UpstreamInfo) -> Option<UpstreamInfo> {
    let instructions = info.instructions.as_deref().map_or(0, str::len);
    let needed = info.version.len() + info.capabilities.get().len();
    let whole = needed + instructions <= UPSTREAM_INFO_MAX_BYTES;
    if !whole {
        tracing::warn!(
            connector.id = %connector.id,
            "what the upstream says of itself is left out: more than {UPSTREAM_INFO_MAX_BYTES} bytes"
        );
    }
    (needed <= UPSTREAM_INFO_MAX_BYTES).then(|| UpstreamInfo {
        instructions: info.instructions.clone().filter(|_| whole),
        ..info.clone()
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
        let info = |capabilities: usize, instructions: usize| {
            let json = format!("\"{}\"", "c".repeat(capabilities - 2));
            let info = UpstreamInfo {
                version: String::new(),
                capabilities: RawValue::from_string(json).unwrap(),
                instructions: Some("i".repeat(instructions)),
            };
            let kept = within_bounds(&connector, &info);
            kept.map(|kept| kept.instructions.is_some())
        };
        let most = UPSTREAM_INFO_MAX_BYTES;

        assert_eq!(info(most - 1, 1), Some(true));
        assert_eq!(info(most - 1, 2), Some(false));
        assert_eq!(info(most, 0), Some(true));
        assert_eq!(info(most + 1, 0), None);
    }
}

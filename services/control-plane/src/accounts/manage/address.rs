//! Where calls with a pasted credential go.

use std::collections::BTreeMap;

use catalog::address;
use domain::{Connector, ConnectorKind};

use crate::catalog::CatalogView;
use crate::fields::Violations;

/// Notes that neither the connector nor the account says it: such an account could not be used.
pub(super) fn check(
    catalog: &dyn CatalogView,
    connector: &Connector,
    variables: &BTreeMap<String, String>,
    violations: &mut Violations,
) {
    let ConnectorKind::Native {
        catalog: name,
        base_url: None,
    } = &connector.kind
    else {
        return;
    };
    let Some(manifest) = catalog.manifest(name) else {
        return;
    };
    let ways = manifest.templates().map(|template| {
        let names = address::variables(template).join(" and ");
        format!("{names}, for {template}")
    });
    let ways: Vec<String> = ways.collect();
    if !ways.is_empty() && manifest.address_with(variables).is_none() {
        let rule = format!(
            "must say where its calls go, because the connector has no base_url: {}",
            ways.join("; or ")
        );
        violations.add("variables", rule);
    }
}

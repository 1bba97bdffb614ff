//! What the arguments of tools are held against, compiled when a tool is called first.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use catalog::{Connector, Fault, Tool};
use jsonschema::Validator;

/// By the connector's name. One that is another now than it was gets new ones.
#[derive(Default)]
pub(super) struct Schemas(ArcSwap<HashMap<String, Arc<OfConnector>>>);

/// Those of one connector.
pub(super) struct OfConnector {
    connector: Arc<Connector>,
    by_tool: HashMap<String, OnceLock<Option<Validator>>>,
}

impl Schemas {
    pub(super) fn of(&self, connector: &Arc<Connector>) -> Arc<OfConnector> {
        let all = self.0.load();
        let known = all.get(&connector.name);
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.connector, connector)) {
            return known.clone();
        }
        let tools = connector.tools.iter();
        let made = Arc::new(OfConnector {
            connector: connector.clone(),
            by_tool: tools
                .map(|tool| (tool.name.clone(), OnceLock::new()))
                .collect(),
        });
        self.0.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.insert(connector.name.clone(), made.clone());
            all
        });
        made
    }
}

impl OfConnector {
    /// None when the tool's schema is no JSON Schema.
    pub(super) fn validator(&self, tool: &Tool) -> Option<&Validator> {
        let validator = self.by_tool.get(&tool.name)?;
        validator
            .get_or_init(|| jsonschema::validator_for(&tool.input_schema).ok())
            .as_ref()
    }
}

/// What is wrong with a connector that only the engine can tell: schemas that are none.
pub fn check(connector: &Connector) -> Vec<Fault> {
    let wrong = connector.tools.iter().filter_map(|tool| {
        let error = jsonschema::validator_for(&tool.input_schema).err()?;
        let rule = format!("the arguments make no JSON Schema 2020-12: {error}");
        Some(Fault::of_tool(&tool.name, "args", rule))
    });
    wrong.collect()
}

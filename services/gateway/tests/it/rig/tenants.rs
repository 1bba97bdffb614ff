//! The tenants of a rig, their keys and connectors.

use std::time::Duration;

use crypto::ApiToken;
use domain::*;
use fabric::{ConnectorConfig, StoredKey, TenantConfig};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{NOW, Rig};

impl Rig {
    pub(super) fn add_tenant(&mut self, number: u128, slug: &str) {
        let id = TenantId::new(Uuid::from_u128(number));
        let token = self.mint(100 + number, Scope::TenantUser);
        let key = self.stored(&token, Scope::TenantUser, Some(id));
        self.keys.push(token.expose());
        let tenant = Tenant {
            id,
            slug: slug.parse().unwrap(),
            name: slug.to_owned(),
            description: String::new(),
            contact_email: String::new(),
            state: TenantState::Active,
            created_at: NOW,
            updated_at: NOW,
            version: 1,
        };
        let tools = ["echo", "progress", "wait", "off"];
        let connectors = vec![
            connector(id, number * 10 + 1, "one", "", &tools),
            connector(id, number * 10 + 2, "two", "two", &tools),
        ];
        let config = TenantConfig {
            revision: 1,
            tenant,
            keys: vec![key],
            connectors,
        };
        self.source
            .tenants
            .lock()
            .unwrap()
            .insert(slug.to_owned(), config);
    }

    /// From now on one of acme's connectors is an MCP server that said this of itself.
    pub(crate) fn server(&self, connector: usize, version: &str, capabilities: Value) {
        let capabilities = RawValue::from_string(capabilities.to_string()).unwrap();
        self.source.change("acme", |config| {
            config.connectors[connector].server = Some(UpstreamInfo {
                version: version.to_owned(),
                capabilities,
                instructions: Some(format!("Use {connector}.")),
                tool_list: None,
            });
        });
    }

    pub(crate) fn mint(&self, id: u128, scope: Scope) -> ApiToken {
        ApiToken::mint(KeyId::new(Uuid::from_u128(id)), scope)
    }

    pub(crate) fn stored(
        &self,
        token: &ApiToken,
        scope: Scope,
        tenant: Option<TenantId>,
    ) -> StoredKey {
        let key = ApiKey {
            id: token.id(),
            name: "key".to_owned(),
            scope,
            tenant,
            state: KeyState::Active,
            created_at: NOW,
            expires_at: Some(NOW + Duration::from_secs(3_600)),
            last_used_at: None,
        };
        StoredKey {
            key,
            hash: self.hasher.hash(token.secret()),
        }
    }
}

fn connector(
    tenant: TenantId,
    number: u128,
    slug: &str,
    prefix: &str,
    tools: &[&str],
) -> ConnectorConfig {
    let connector = Connector {
        id: ConnectorId::new(Uuid::from_u128(number)),
        tenant,
        slug: slug.parse().unwrap(),
        display_name: slug.to_owned(),
        kind: ConnectorKind::RemoteMcp {
            url: "http://127.0.0.1:1/".parse().unwrap(),
        },
        enabled: true,
        prefix: prefix.to_owned(),
        credential: CredentialInfo::default(),
        on_change: domain::OnChange::Accept,
        sync: SyncStatus {
            state: SyncState::Ok,
            at: None,
            error: None,
            tools: 0,
            changed: domain::ChangedTools::default(),
        },
        created_at: NOW,
        updated_at: NOW,
        version: 7,
    };
    let tool = |name: &&str| Tool {
        definition: definition(name, &json!({"type": "object"})),
        enabled: *name != "off",
    };
    ConnectorConfig {
        accounts: 0,
        connector,
        server: None,
        tools: tools.iter().map(tool).collect(),
    }
}

pub(crate) fn definition(name: &str, schema: &Value) -> ToolDefinition {
    let text = format!(r#"{{"name":"{name}","inputSchema":{schema},"x":1.0}}"#);
    ToolDefinition::parse(RawValue::from_string(text).unwrap()).unwrap()
}

//! `turnbuckle key …` and `turnbuckle whoami`

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::args::{Format, parse_name};
use super::output::{Column, fields};
use super::{Cli, Failure};

const LIST: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("SCOPE", "/scope"),
    ("TENANT", "/tenant"),
    ("STATE", "/state"),
    ("EXPIRES", "/expires_at"),
    ("LAST USED", "/last_used_at"),
];
const SHOW: &[Column] = &[
    ("Id", "/id"),
    ("Name", "/name"),
    ("Scope", "/scope"),
    ("Tenant", "/tenant"),
    ("State", "/state"),
    ("Created", "/created_at"),
    ("Expires", "/expires_at"),
    ("Revoked", "/revoked_at"),
    ("Last used", "/last_used_at"),
];

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key; its secret is shown this once.
    Create {
        /// How far it reaches.
        #[arg(long, value_enum)]
        scope: KeyScope,
        /// The tenant it is for; every scope but platform_admin has one.
        #[arg(long, value_parser = parse_name)]
        tenant: Option<String>,
        /// What to call it.
        #[arg(long)]
        name: String,
        /// When it ends, e.g. 2027-01-31T00:00:00Z; never when absent.
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// List the keys.
    List {
        /// Only those of one tenant.
        #[arg(long, value_parser = parse_name)]
        tenant: Option<String>,
    },
    /// Show a key.
    Show {
        #[arg(value_parser = parse_name)]
        id: String,
    },
    /// End a key at once and for good.
    Revoke {
        #[arg(value_parser = parse_name)]
        id: String,
    },
}

impl KeyCommand {
    /// Whether it changes something.
    pub(super) fn is_change(&self) -> bool {
        !matches!(self, Self::List { .. } | Self::Show { .. })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum KeyScope {
    /// Everything, in every tenant.
    PlatformAdmin,
    /// One tenant's connectors, tools and keys, and its MCP endpoints.
    TenantAdmin,
    /// One tenant's MCP endpoints.
    TenantUser,
}

impl KeyScope {
    fn as_str(self) -> &'static str {
        let scope = match self {
            Self::PlatformAdmin => domain::Scope::PlatformAdmin,
            Self::TenantAdmin => domain::Scope::TenantAdmin,
            Self::TenantUser => domain::Scope::TenantUser,
        };
        scope.as_str()
    }
}

pub(super) async fn run(command: KeyCommand, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let api = cli.api()?;
    match command {
        KeyCommand::Create {
            scope,
            tenant,
            name,
            expires_at,
        } => {
            let mut body = json!({"name": name, "scope": scope.as_str()});
            if let Some(tenant) = tenant {
                body["tenant"] = tenant.into();
            }
            if let Some(time) = expires_at {
                body["expires_at"] = time.into();
            }
            let key = api.post(&["keys"], Some(&body)).await?;
            cli.show_new_key(&key)
        }
        KeyCommand::List { tenant } => {
            let filter = tenant.as_deref().map(|slug| ("tenant", slug));
            let all = api.list(&["keys"], filter.as_slice(), "keys").await?;
            cli.show_list(&all, "keys", LIST)
        }
        KeyCommand::Show { id } => cli.show(&api.get(&["keys", &id]).await?, SHOW),
        KeyCommand::Revoke { id } => cli.show(&api.delete(&["keys", &id]).await?, SHOW),
    }
}

pub(super) async fn whoami(cli: &mut Cli<'_>) -> Result<(), Failure> {
    let answer = cli.api()?.get(&["whoami"]).await?;
    match cli.global.output {
        Format::Json => cli.terminal.json(&answer),
        Format::Table => cli.show(answer.get("key").unwrap_or(&answer), SHOW),
    }
}

impl Cli<'_> {
    fn show_new_key(&mut self, key: &Value) -> Result<(), Failure> {
        if self.global.output == Format::Json {
            return self.terminal.json(key);
        }
        self.terminal.line(&fields(&SHOW[..6], key))?;
        let secret = key
            .get("secret")
            .and_then(Value::as_str)
            .unwrap_or_default();
        self.terminal.line(&format!("\n{secret}\n"))?;
        self.terminal
            .remark("This is the key itself. Keep it now: it is never shown again.")
    }
}

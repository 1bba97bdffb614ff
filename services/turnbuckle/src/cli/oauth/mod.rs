//! `turnbuckle oauth …`: what is registered at providers, and the accounts that people connect.

mod add;
mod authorize;
mod clients;

use std::str::FromStr;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::api::{Api, Resource};
use super::args::parse_name;
use super::output::Column;
use super::{Cli, Failure};
use add::AddArgs;
use authorize::AuthorizeArgs;
use clients::ClientsCommand;

const PROVIDERS: &[Column] = &[
    ("PROVIDER", "/provider"),
    ("NAME", "/display_name"),
    ("CONFIGURED", "/configured"),
    ("REVOCABLE", "/revocable"),
    ("REDIRECT URI", "/redirect_uri"),
];
const ACCOUNTS: &[Column] = &[
    ("CONNECTOR", "/connector"),
    ("ACCOUNT", "/id"),
    ("NAME", "/name"),
    ("KEY", "/key"),
    ("METHOD", "/method"),
    ("STATE", "/state"),
    ("CONNECTED AS", "/subject"),
    ("PREFERRED", "/preferred"),
    ("EXPIRES", "/expires_at"),
    ("PROBLEM", "/problem"),
];
const SHOW: &[Column] = &[
    ("Account", "/id"),
    ("Name", "/name"),
    ("Connector", "/connector"),
    ("Key", "/key"),
    ("Method", "/method"),
    ("State", "/state"),
    ("Preferred", "/preferred"),
    ("Connected as", "/subject"),
    ("Variables", "/variables"),
    ("Granted", "/scopes"),
    ("Expires", "/expires_at"),
    ("Problem", "/problem"),
];
const ENDED: &[Column] = &[("Account", "/id"), ("Provider", "/provider")];

#[derive(Debug, Subcommand)]
pub(crate) enum OAuthCommand {
    /// List the services that people sign in at, and what is to be registered there.
    Providers,
    /// Say what was registered at a provider.
    #[command(subcommand)]
    Clients(ClientsCommand),
    /// Connect an account: prints a link for a browser, on whichever machine, and waits.
    Authorize(AuthorizeArgs),
    /// Make an account of a token, a password or a key that somebody has, without a browser.
    Add(Box<AddArgs>),
    /// List the accounts of a connector, or of all that a tenant has.
    Status {
        /// Leave it out for all connectors; needs a key that may list them.
        #[arg(value_parser = parse_name)]
        connector: Option<String>,
        #[command(flatten)]
        tenant: OfTenant,
    },
    /// Have calls made with an account from now on, of several that its owner has.
    Prefer(Account),
    /// End an account: here at once, and at its provider if that answers.
    Revoke(Account),
}

impl OAuthCommand {
    /// Whether it changes something.
    pub(super) fn is_change(&self) -> bool {
        match self {
            Self::Providers | Self::Status { .. } | Self::Authorize(_) => false,
            Self::Clients(command) => command.is_change(),
            Self::Add(_) | Self::Prefer(_) | Self::Revoke(_) => true,
        }
    }
}

/// Which tenant is meant.
#[derive(Debug, Args)]
pub(crate) struct OfTenant {
    /// The tenant; that of the key when absent.
    #[arg(long, value_parser = parse_name)]
    tenant: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Account {
    #[arg(value_parser = parse_name)]
    connector: String,
    /// Its id, as `turnbuckle oauth status` shows it.
    #[arg(value_parser = parse_name)]
    account: String,
    #[command(flatten)]
    tenant: OfTenant,
}

/// Whose calls it is for.
#[derive(Debug, Args)]
pub(crate) struct ForKey {
    /// For the calls of one key alone: the one with this id, or the one that is used here.
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true)]
    for_key: Option<Option<String>>,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable(String, String);

impl FromStr for Variable {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self(name.to_owned(), value.to_owned())),
            _ => Err("must be NAME=VALUE"),
        }
    }
}

impl Variable {
    /// All of them as a REST member.
    fn object(all: &[Self]) -> Value {
        let pairs = all.iter();
        let pairs: Map<String, Value> = pairs
            .map(|Self(name, value)| (name.clone(), value.clone().into()))
            .collect();
        pairs.into()
    }
}

impl ForKey {
    /// The REST member `key`, if there is to be one.
    async fn find(self, api: &Api) -> Result<Option<Value>, Failure> {
        match self.for_key {
            None => Ok(None),
            Some(Some(id)) => Ok(Some(id.into())),
            Some(None) => {
                let own = api.get(&["whoami"]).await?;
                Ok(Some(own.pointer("/key/id").cloned().unwrap_or_default()))
            }
        }
    }
}

impl OfTenant {
    async fn find(self, api: &Api) -> Result<String, Failure> {
        if let Some(tenant) = self.tenant {
            return Ok(tenant);
        }
        let own = api.get(&["whoami"]).await?;
        let tenant = own.pointer("/key/tenant").and_then(Value::as_str);
        tenant.map(str::to_owned).ok_or_else(|| {
            Failure::Usage("this key is of no tenant: say which one with --tenant".to_owned())
        })
    }
}

pub(super) async fn run(command: OAuthCommand, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let api = cli.api()?;
    match command {
        OAuthCommand::Providers => {
            let all = api.get(&["oauth-providers"]).await?;
            cli.show_list(&all, "providers", PROVIDERS)
        }
        OAuthCommand::Clients(command) => clients::run(command, &api, cli).await,
        OAuthCommand::Authorize(args) => authorize::run(args, &api, cli).await,
        OAuthCommand::Add(args) => add::run(*args, &api, cli).await,
        OAuthCommand::Status { connector, tenant } => {
            let tenant = tenant.find(&api).await?;
            let all = accounts(&api, &tenant, connector).await?;
            cli.show_list(&all, "accounts", ACCOUNTS)
        }
        OAuthCommand::Prefer(account) => {
            let path = account.path(&api).await?;
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let preferred = json!({"preferred": true});
            let account = api.patch(path.as_slice(), &preferred).await?;
            cli.show(&account, SHOW)
        }
        OAuthCommand::Revoke(account) => {
            let path = account.path(&api).await?;
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let ended = api.delete(path.as_slice()).await?;
            cli.show(&ended, ENDED)?;
            cli.say_what_is_left(&ended)
        }
    }
}

impl Account {
    async fn path(self, api: &Api) -> Result<[String; 6], Failure> {
        let tenant = self.tenant.find(api).await?;
        let [tenants, connectors, accounts] =
            ["tenants", "connectors", "accounts"].map(String::from);
        Ok([
            tenants,
            tenant,
            connectors,
            self.connector,
            accounts,
            self.account,
        ])
    }
}

/// `turnbuckle connector accounts`
pub(super) async fn list(
    api: &Api,
    tenant: &str,
    connector: String,
    cli: &mut Cli<'_>,
) -> Result<(), Failure> {
    let all = accounts(api, tenant, Some(connector)).await?;
    cli.show_list(&all, "accounts", ACCOUNTS)
}

/// The accounts of one connector, or of all.
async fn accounts(api: &Api, tenant: &str, connector: Option<String>) -> Result<Value, Failure> {
    let connectors = match connector {
        Some(connector) => vec![connector],
        None => {
            let path = ["tenants", tenant, "connectors"];
            let all = api.list(&path, &[], "connectors").await;
            let all = all.map_err(|failure| match failure.status() {
                Some(403) => Failure::Usage(
                    "this key may not list connectors: say which one's accounts to show".to_owned(),
                ),
                _ => failure,
            })?;
            let all = all.get("connectors").and_then(Value::as_array);
            let slug = |connector: &Value| {
                let slug = connector.get("slug").and_then(Value::as_str);
                slug.map(str::to_owned)
            };
            all.into_iter().flatten().filter_map(slug).collect()
        }
    };
    let mut all = Vec::new();
    for connector in connectors {
        let path = ["tenants", tenant, "connectors", &connector, "accounts"];
        let page = api.list(&path, &[], "accounts").await?;
        let accounts = page.get("accounts").and_then(Value::as_array).cloned();
        all.extend(accounts.into_iter().flatten());
    }
    Ok(json!({"accounts": all}))
}

/// One resource, by its path.
async fn read(api: &Api, path: &[&str]) -> Result<Value, Failure> {
    api.get(Resource { path, query: &[] }).await
}

impl Cli<'_> {
    fn say_what_is_left(&mut self, ended: &Value) -> Result<(), Failure> {
        let provider = ended.get("provider").and_then(Value::as_str);
        let advice = match provider.unwrap_or_default() {
            "failed" => {
                "It is ended here. The provider did not confirm it: end the access there too."
            }
            "unsupported" => {
                "It is ended here. The provider cannot be told: end the access there too, or let \
                 it run out."
            }
            "not_ours" => "It is ended here. The token itself is yours to end at the provider.",
            _ => return Ok(()),
        };
        self.terminal.remark(advice)
    }
}

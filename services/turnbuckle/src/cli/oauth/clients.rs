//! `turnbuckle oauth clients …`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Variable;
use crate::cli::api::Api;
use crate::cli::args::parse_name;
use crate::cli::output::Column;
use crate::cli::secret::SecretSource;
use crate::cli::{Cli, Failure};

const LIST: &[Column] = &[
    ("PROVIDER", "/provider"),
    ("OWNER", "/tenant"),
    ("CLIENT ID", "/client_id"),
    ("SECRET", "/secret_set"),
    ("VARIABLES", "/variables"),
    ("REDIRECT URI", "/redirect_uri"),
    ("SCOPES", "/scopes"),
];
const SHOW: &[Column] = &[
    ("Provider", "/provider"),
    ("Name", "/display_name"),
    ("Tenant", "/tenant"),
    ("Client id", "/client_id"),
    ("Secret set", "/secret_set"),
    ("Variables", "/variables"),
    ("Redirect URI", "/redirect_uri"),
    ("Scopes", "/scopes"),
    ("User scopes", "/user_scopes"),
];

#[derive(Debug, Subcommand)]
pub(crate) enum ClientsCommand {
    /// List the operator's OAuth clients, or those that serve a tenant.
    List {
        #[command(flatten)]
        whose: Whose,
    },
    /// Say the id and secret that a provider gave, for all tenants or for one.
    Set(Box<SetArgs>),
    /// Forget what was registered: accounts that were connected with it cannot be refreshed.
    Remove {
        /// The type of the connectors, e.g. `github`.
        #[arg(value_parser = parse_name)]
        provider: String,
        #[command(flatten)]
        whose: Whose,
    },
}

impl ClientsCommand {
    pub(super) fn is_change(&self) -> bool {
        !matches!(self, Self::List { .. })
    }
}

#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// One tenant's own; the operator's, for all tenants, when absent.
    #[arg(long, value_parser = parse_name)]
    tenant: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The type of the connectors, e.g. `github`.
    #[arg(value_parser = parse_name)]
    provider: String,
    /// As the provider gave it.
    #[arg(long, value_name = "ID")]
    client_id: String,
    #[command(flatten)]
    secret: SecretSource,
    /// The client has no secret.
    #[arg(long, conflicts_with = "secret")]
    public: bool,
    /// What differs in the provider's addresses, e.g. `tenant=contoso.com` or
    /// `host=gitlab.example.com`.
    #[arg(long, value_name = "NAME=VALUE")]
    variable: Vec<Variable>,
    #[command(flatten)]
    whose: Whose,
}

impl Whose {
    fn path<'a>(&'a self, provider: Option<&'a str>) -> Vec<&'a str> {
        let tenant = self
            .tenant
            .iter()
            .flat_map(|slug| ["tenants", slug.as_str()]);
        tenant.chain(["oauth-clients"]).chain(provider).collect()
    }
}

pub(super) async fn run(
    command: ClientsCommand,
    api: &Api,
    cli: &mut Cli<'_>,
) -> Result<(), Failure> {
    match command {
        ClientsCommand::List { whose } => {
            let all = api.get(whose.path(None).as_slice()).await?;
            cli.show_list(&all, "clients", LIST)
        }
        ClientsCommand::Set(args) => {
            let mut body = json!({"client_id": args.client_id});
            body["variables"] = Variable::object(&args.variable);
            match args.secret.read(cli.terminal)? {
                Some(secret) => body["client_secret"] = secret.into(),
                None if args.public => body["client_secret"] = Value::Null,
                None => {}
            }
            let path = args.whose.path(Some(&args.provider));
            let client = api.put(path.as_slice(), &body).await?;
            cli.show(&client, SHOW)?;
            let has_secret = client.get("secret_set").and_then(Value::as_bool);
            if has_secret == Some(false) && !args.public {
                let advice = "It has no secret. If the provider gave one, say it with \
                              --secret-from-file, --secret-from-env or --secret-prompt.";
                return cli.terminal.remark(advice);
            }
            Ok(())
        }
        ClientsCommand::Remove { provider, whose } => {
            api.delete(whose.path(Some(&provider)).as_slice()).await?;
            cli.done(&format!("The OAuth client for {provider} is removed."))
        }
    }
}

//! `turnbuckle oauth add`: an account of a credential that somebody has, without a browser.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{ForKey, OfTenant, SHOW, Variable};
use crate::cli::api::Api;
use crate::cli::args::parse_name;
use crate::cli::secret::{SecretSource, from_file};
use crate::cli::{Cli, Failure};

/// Sign-ins of a program, which no person consents to.
const KINDS: [&str; 4] = [
    "client_credentials",
    "jwt_bearer",
    "account_credentials",
    "app_installation",
];

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    #[arg(value_parser = parse_name)]
    connector: String,
    /// What to call it.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    tenant: OfTenant,
    #[command(flatten)]
    key: ForKey,
    #[command(flatten)]
    secret: SecretSource,
    /// The secret is the password, or API token, of this user name.
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// What the account says of the address of its calls, e.g. `site=acme`; see `turnbuckle
    /// connector types -o json`. May be said several times.
    #[arg(long, value_name = "NAME=VALUE")]
    variable: Vec<Variable>,
    /// Leave the account that calls are made with now.
    #[arg(long)]
    not_preferred: bool,
    #[command(flatten)]
    program: ProgramArgs,
}

/// How a program signs in.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sign-in of a program")]
struct ProgramArgs {
    /// How it does, where the provider offers that.
    #[arg(long, value_parser = KINDS, conflicts_with = "username")]
    kind: Option<String>,
    /// The application's id; the secret is the application's then.
    #[arg(long, value_name = "ID", requires = "kind")]
    client_id: Option<String>,
    /// Its private key, as PEM.
    #[arg(long, value_name = "PATH", requires = "kind")]
    private_key_file: Option<PathBuf>,
    /// What the provider calls that key.
    #[arg(long, value_name = "ID", requires = "kind")]
    key_id: Option<String>,
    /// A key file of a Google service account.
    #[arg(long, value_name = "PATH", requires = "kind")]
    service_account_file: Option<PathBuf>,
    /// The person to act for.
    #[arg(long, value_name = "NAME", requires = "kind")]
    subject: Option<String>,
    /// The account at the provider (Zoom).
    #[arg(long, value_name = "ID", requires = "kind")]
    account_id: Option<String>,
    /// The installation of the application (GitHub).
    #[arg(long, value_name = "ID", requires = "kind")]
    installation_id: Option<String>,
    /// What to ask for. May be said several times.
    #[arg(long, value_name = "SCOPE", requires = "kind")]
    scope: Vec<String>,
}

pub(super) async fn run(args: AddArgs, api: &Api, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let secret = args.secret.read(cli.terminal)?;
    let mut body = json!({"name": args.name, "preferred": !args.not_preferred});
    if !args.variable.is_empty() {
        body["variables"] = Variable::object(&args.variable);
    }
    match (args.program.document(secret.clone(), cli)?, args.username) {
        (Some(sign_in), _) => body["sign_in"] = sign_in,
        (None, username) => {
            let secret = secret.ok_or_else(|| {
                let wish = "give the token or password: --secret-from-file PATH (- for standard \
                            input), --secret-from-env VAR or --secret-prompt";
                Failure::Usage(wish.to_owned())
            })?;
            match username {
                Some(username) => {
                    body["username"] = username.into();
                    body["password"] = secret.into();
                }
                None => body["token"] = secret.into(),
            }
        }
    }
    if let Some(key) = args.key.find(api).await? {
        body["key"] = key;
    }
    let tenant = args.tenant.find(api).await?;
    let path = [
        "tenants",
        &tenant,
        "connectors",
        &args.connector,
        "accounts",
    ];
    let account = api.post(path.as_slice(), Some(&body)).await?;
    cli.show(&account, SHOW)
}

impl ProgramArgs {
    /// The REST member `sign_in`; none where no kind was said.
    fn document(
        &self,
        secret: Option<String>,
        cli: &mut Cli<'_>,
    ) -> Result<Option<Value>, Failure> {
        let Some(kind) = &self.kind else {
            return Ok(None);
        };
        let mut file = |path: &Option<PathBuf>| {
            let path = path.as_deref();
            path.map(|path| from_file(path, cli.terminal)).transpose()
        };
        let (private_key, service_account) = (
            file(&self.private_key_file)?,
            file(&self.service_account_file)?,
        );
        let mut sign_in = Map::new();
        for (name, value) in [
            ("kind", Some(kind.clone())),
            ("client_id", self.client_id.clone()),
            ("client_secret", secret),
            ("private_key", private_key),
            ("key_id", self.key_id.clone()),
            ("service_account", service_account),
            ("subject", self.subject.clone()),
            ("account_id", self.account_id.clone()),
            ("installation_id", self.installation_id.clone()),
        ] {
            if let Some(value) = value {
                sign_in.insert(name.to_owned(), value.into());
            }
        }
        if !self.scope.is_empty() {
            sign_in.insert("scopes".to_owned(), self.scope.clone().into());
        }
        Ok(Some(sign_in.into()))
    }
}

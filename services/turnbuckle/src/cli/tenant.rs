//! `turnbuckle tenant …`

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::args::parse_name;
use super::output::Column;
use super::{Cli, Failure};

const LIST: &[Column] = &[
    ("SLUG", "/slug"),
    ("NAME", "/name"),
    ("STATE", "/state"),
    ("CREATED", "/created_at"),
];
const SHOW: &[Column] = &[
    ("Slug", "/slug"),
    ("Name", "/name"),
    ("Description", "/description"),
    ("Contact", "/contact_email"),
    ("State", "/state"),
    ("Id", "/id"),
    ("Created", "/created_at"),
    ("Updated", "/updated_at"),
];

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Create a tenant.
    Create {
        /// Its name in URLs: lower-case letters, digits and single hyphens.
        #[arg(value_parser = parse_name)]
        tenant: String,
        #[command(flatten)]
        properties: NewTenant,
    },
    /// List the tenants.
    List,
    /// Show a tenant.
    Show {
        #[arg(value_parser = parse_name)]
        tenant: String,
    },
    /// Change a tenant.
    Update {
        #[arg(value_parser = parse_name)]
        tenant: String,
        #[command(flatten)]
        properties: TenantChange,
    },
    /// Let the tenant's keys open its endpoints again.
    Activate {
        #[arg(value_parser = parse_name)]
        tenant: String,
    },
    /// Keep everything, and let nobody of the tenant in.
    Deactivate {
        #[arg(value_parser = parse_name)]
        tenant: String,
    },
    /// Delete a tenant with all it owns.
    Delete {
        #[arg(value_parser = parse_name)]
        tenant: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

impl TenantCommand {
    /// Whether it changes something.
    pub(super) fn is_change(&self) -> bool {
        !matches!(self, Self::List | Self::Show { .. })
    }
}

#[derive(Debug, Args)]
pub(crate) struct NewTenant {
    /// What people call it; the slug when absent.
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    description: Option<String>,
    #[arg(long, value_name = "ADDRESS")]
    contact_email: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct TenantChange {
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    description: Option<String>,
    #[arg(long, value_name = "ADDRESS")]
    contact_email: Option<String>,
}

pub(super) async fn run(command: TenantCommand, cli: &mut Cli<'_>) -> Result<(), Failure> {
    let api = cli.api()?;
    let tenant = match command {
        TenantCommand::Create { tenant, properties } => {
            let NewTenant {
                name,
                description,
                contact_email,
            } = properties;
            let name = name.unwrap_or_else(|| tenant.clone());
            let mut body = document(Some(name), description, contact_email);
            body.insert("slug".to_owned(), tenant.into());
            api.post(&["tenants"], Some(&body.into())).await?
        }
        TenantCommand::List => {
            let all = api.list(&["tenants"], &[], "tenants").await?;
            return cli.show_list(&all, "tenants", LIST);
        }
        TenantCommand::Show { tenant } => api.get(&["tenants", &tenant]).await?,
        TenantCommand::Update { tenant, properties } => {
            let TenantChange {
                name,
                description,
                contact_email,
            } = properties;
            let body = document(name, description, contact_email).into();
            api.patch(&["tenants", &tenant], &body).await?
        }
        TenantCommand::Activate { tenant } => {
            api.post(&["tenants", &tenant, "activate"], None).await?
        }
        TenantCommand::Deactivate { tenant } => {
            api.post(&["tenants", &tenant, "deactivate"], None).await?
        }
        TenantCommand::Delete { tenant, yes } => {
            let what = format!("tenant {tenant} with its connectors, credentials and keys");
            cli.confirm(yes, &what, &tenant)?;
            api.delete(&["tenants", &tenant]).await?;
            return cli.done(&format!("Tenant {tenant} is deleted."));
        }
    };
    cli.show(&tenant, SHOW)
}

fn document(
    name: Option<String>,
    description: Option<String>,
    contact_email: Option<String>,
) -> Map<String, Value> {
    let given = [
        ("name", name),
        ("description", description),
        ("contact_email", contact_email),
    ];
    given
        .into_iter()
        .filter_map(|(field, value)| Some((field.to_owned(), Value::String(value?))))
        .collect()
}

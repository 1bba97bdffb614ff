//! What a reference page says of credentials: each way to sign in, and what must be set up for it.

use crate::address::variables;
use crate::closed::AuthKind;
use crate::manifest::OAuth2;
use crate::model::{AuthMethod, Connector};

/// The section, line by line.
pub(super) fn lines(connector: &Connector) -> Vec<String> {
    let mut lines = vec!["\n## Signing in\n".to_owned()];
    for method in &connector.auth.methods {
        lines.push(way(method));
    }
    if let Some(oauth2) = &connector.auth.oauth2 {
        lines.push(String::new());
        lines.push(consent(connector, oauth2));
    }
    let addresses: Vec<String> = connector
        .templates()
        .map(|template| format!("`{}` for `{template}`", variables(template).join("`, `")))
        .collect();
    if !addresses.is_empty() {
        lines.push(format!(
            "\nWhere calls go, an account that a person connects says itself. An account of a token needs \
             one of {} (`--variable`); a connector with a token of its own, `--base-url`.",
            addresses.join(", ")
        ));
    }
    lines.extend(connector.auth.notes.iter().map(|note| format!("\n{note}")));
    lines
}

/// One way to sign in.
fn way(method: &AuthMethod) -> String {
    let label = method.label.clone().unwrap_or_else(|| match method.kind {
        AuthKind::OAuth2Code => "consent of a person".to_owned(),
        other => other.as_str().replace('_', " "),
    });
    let command = match method.kind {
        AuthKind::OAuth2Code => "`turnbuckle oauth authorize CONNECTOR`".to_owned(),
        AuthKind::Basic if method.password.as_deref() != Some("") => {
            "`turnbuckle oauth add CONNECTOR --name NAME --username USER --secret-from-file PATH`"
                .to_owned()
        }
        AuthKind::Token | AuthKind::BodyKey | AuthKind::Basic => {
            "`turnbuckle oauth add CONNECTOR --name NAME --secret-from-file PATH`".to_owned()
        }
        program => format!(
            "`turnbuckle oauth add CONNECTOR --name NAME --kind {}{}` \
             ([more](../accounts.md#programs-that-sign-in-by-themselves))",
            program.as_str().trim_start_matches("oauth2_"),
            of_program(method)
        ),
    };
    let note = method.note.as_ref();
    let note = note.map(|note| format!(" {note}")).unwrap_or_default();
    format!("- **{label}**: {command}.{note}")
}

/// What a program's way needs besides its kind, as the command has it.
fn of_program(method: &AuthMethod) -> String {
    let mut words = match method.kind {
        AuthKind::OAuth2ClientCredentials => " --client-id ID --secret-prompt",
        AuthKind::OAuth2JwtBearer => " --service-account-file PATH --subject PERSON",
        AuthKind::OAuth2AccountCredentials => " --client-id ID --account-id ID --secret-prompt",
        AuthKind::AppInstallation => " --client-id ID --installation-id ID --private-key-file PATH",
        _ => "",
    }
    .to_owned();
    for name in &method.needs {
        words.push_str(&format!(" --variable {name}={}", name.to_uppercase()));
    }
    words
}

/// What must be registered, and what is asked for.
fn consent(connector: &Connector, oauth2: &OAuth2) -> String {
    let mut text = format!(
        "For the consent of people an application is registered at {}, [as for all](../accounts.md#at-the-providers), \
         and said with `turnbuckle oauth clients set {} --client-id ID --secret-prompt`.",
        connector.display_name, connector.name
    );
    if !oauth2.url_variables.is_empty() {
        let all: Vec<String> = oauth2
            .url_variables
            .iter()
            .map(|(name, value)| format!("`{name}` (`{value}`)"))
            .collect();
        text.push_str(&format!(
            " Its `--variable`s, where they are not as by default: {}.",
            all.join(", ")
        ));
    }
    if oauth2.revoke_url.is_none() {
        text.push_str(" Tokens cannot be revoked from here: they are forgotten, and run out.");
    }
    if let Some(note) = &oauth2.refresh.note {
        text.push_str(&format!(" {note}"));
    }
    if let Some(note) = &oauth2.pkce_note {
        text.push_str(&format!(" PKCE: {note}"));
    }
    text
}

//! What is said where there is nothing to sign a request with: which credential is missing, and
//! how it is given.

use catalog::AuthMethod;
use catalog::closed::{AuthKind, TokenKind};

use super::call::Call;
use super::credential::Wanted;

impl Call<'_> {
    /// For whoever reads why the call was not made.
    pub(super) fn lacking(&self) -> String {
        let (name, auth) = (&self.connector.display_name, &self.connector.auth);
        let kind = Wanted::of(self.connector, self.tool).and_then(|wanted| wanted.kind);
        let fits = |method: &&AuthMethod| {
            kind.is_none() || method.token_kind.is_none() || method.token_kind == kind
        };
        let is_pasted = |method: &&AuthMethod| {
            matches!(
                method.kind,
                AuthKind::Token | AuthKind::Basic | AuthKind::BodyKey
            )
        };
        let pasted: Vec<&AuthMethod> = auth.methods.iter().filter(is_pasted).filter(fits).collect();
        let connects = auth.methods.iter().filter(fits);
        let connects = connects
            .into_iter()
            .any(|method| method.kind == AuthKind::OAuth2Code);

        let mut ways = Vec::new();
        if connects {
            ways.push("a person connects an account".to_owned());
        }
        if !pasted.is_empty() || !connects {
            let labels = pasted.iter().filter_map(|method| method.label.as_deref());
            let labels = labels.collect::<Vec<_>>().join(" or ");
            ways.push(match labels.as_str() {
                "" => "an administrator sets its token".to_owned(),
                labels => format!("an administrator sets its token ({labels})"),
            });
            ways.push("one is added as an account".to_owned());
        }
        let what = match kind {
            None => format!("no {name} credential"),
            Some(TokenKind::Bot) => format!("no {name} bot token, which this tool needs"),
            Some(TokenKind::User) => format!("no {name} user's token, which this tool needs"),
        };
        let ways = ways.join(", or ");
        let mut text = format!("The connector has {what}: {ways}.");
        let note = pasted.first().and_then(|method| method.note.as_deref());
        if let Some(note) = note.filter(|_| kind.is_some()) {
            text.push(' ');
            text.push_str(note);
        }
        text
    }
}

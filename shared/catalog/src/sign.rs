//! Which of a connector's ways to sign in a credential goes.

use crate::closed::{AuthKind, TokenKind};
use crate::model::{Auth, AuthMethod};

impl Auth {
    /// Whether the provider tells a bot's token and a user's apart.
    pub fn tells_apart(&self) -> bool {
        self.gives_both()
            || self
                .methods
                .iter()
                .any(|method| method.token_kind.is_some())
    }

    /// Whether one connecting of an account gives a bot's token and a user's.
    pub fn gives_both(&self) -> bool {
        let oauth = self.oauth2.as_ref();
        oauth.is_some_and(|oauth| oauth.scope_params.contains_key("user"))
    }

    /// How the token of an account of this kind is sent with a request to `path`.
    pub fn of_account(&self, kind: AuthKind, path: &str) -> Option<&AuthMethod> {
        let mut methods = self.methods.iter();
        methods.find(|method| method.kind == kind && method.is_for(path))
    }

    /// How a credential that somebody pasted is sent with a request to `path`, to a tool that
    /// wants this kind of token; None where the credential is of another kind.
    ///
    /// What the tokens of a method begin with tells it. Else a pair `username:password` goes the
    /// way of pairs where there is one, and anything else that of tokens. Of a provider that has
    /// neither it is an access token that was got elsewhere.
    pub fn pasted(
        &self,
        path: &str,
        credential: &str,
        wanted: Option<TokenKind>,
    ) -> Option<&AuthMethod> {
        self.way(credential, wanted, &|method| method.is_for(path))
    }

    /// How a credential that the caller brought along is sent: as a pasted one, or as the access
    /// token of a person's account where the provider knows such apart and the tool takes it.
    pub fn brought(
        &self,
        path: &str,
        credential: &str,
        wanted: Option<TokenKind>,
    ) -> Option<&AuthMethod> {
        let connected = self.of_account(AuthKind::OAuth2Code, path);
        // Whoever brings a token along is a person.
        if wanted.is_none() && connected.is_some_and(|way| way.token_kind == Some(TokenKind::User))
        {
            return connected;
        }
        let pasted = self.pasted(path, credential, wanted);
        if pasted.is_some() || self.methods.iter().any(|method| method.knows(credential)) {
            return pasted;
        }
        connected.filter(|method| method.yields(wanted))
    }

    /// Whether a credential that somebody pasted is of this kind, as far as one can tell.
    pub fn takes(&self, credential: &str, wanted: TokenKind) -> bool {
        self.way(credential, Some(wanted), &|_| true).is_some()
    }

    /// Whether accounts that are connected in this way have a token of this kind, or can get one.
    pub fn connects(&self, kind: AuthKind, wanted: TokenKind) -> bool {
        let mut methods = self.methods.iter().filter(|method| method.kind == kind);
        methods.any(|method| method.yields(Some(wanted)))
    }

    fn way(
        &self,
        credential: &str,
        wanted: Option<TokenKind>,
        is_here: &dyn Fn(&AuthMethod) -> bool,
    ) -> Option<&AuthMethod> {
        let here = || self.methods.iter().filter(|method| is_here(method));
        if let Some(known) = here().find(|method| method.knows(credential)) {
            return Some(known).filter(|method| method.yields(wanted));
        }
        let mut order = [AuthKind::Token, AuthKind::BodyKey, AuthKind::Basic];
        if credential.contains(':') {
            order.rotate_right(1);
        }
        let fits = || here().filter(|method| method.yields(wanted));
        if !here().any(|method| order.contains(&method.kind)) {
            return fits().next();
        }
        let mut found = order
            .into_iter()
            .filter_map(|kind| fits().find(|method| method.kind == kind));
        found.next()
    }
}

impl AuthMethod {
    fn is_for(&self, path: &str) -> bool {
        let prefix = self.path_prefix.as_ref();
        prefix.is_none_or(|prefix| path.starts_with(prefix.as_str()))
    }

    /// Whether the look of a credential says that it is one of these.
    fn knows(&self, credential: &str) -> bool {
        let mut begins = self.begins.iter();
        begins.any(|start| credential.starts_with(start.as_str()))
    }

    /// Whether its tokens can be of that kind.
    fn yields(&self, wanted: Option<TokenKind>) -> bool {
        wanted.is_none() || self.token_kind.is_none() || self.token_kind == wanted
    }
}

//! The provider's answer.

use oauth::{TokenError, check_issuer};
use secrecy::SecretString;
use serde::Deserialize;
use storage::{ConnectFlow, FlowStatus};

use super::details::{Choice, Details, Grant, Waiting};
use super::visit::Subject;
use super::{Done, Hashed, Refused, Sites};
use crate::accounts::provider::{Provider, client};
use crate::error::Error;
use crate::operations::Operations;

/// Characters of what a provider says of an error that are shown.
const SAID_MAX: usize = 300;

/// What a provider sends a browser back with (RFC 6749 §4.1.2, RFC 9207).
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ProviderAnswer {
    state: String,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    iss: Option<String>,
}

impl std::fmt::Debug for ProviderAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProviderAnswer(..)")
    }
}

/// What became of it.
pub(crate) enum Answered {
    Done(Done),
    /// The person must choose one of several sites; the state names the attempt meanwhile.
    Choose {
        sites: Sites,
        state: String,
    },
}

impl Operations {
    /// Takes a provider's answer, in the browser that was sent there: once.
    pub(crate) async fn provider_answered(
        &self,
        answer: ProviderAnswer,
        browser: Option<&str>,
    ) -> Result<Answered, Refused> {
        let flow = self.flow_by_state(&answer.state).await?;
        if !self.is_browser_of(&flow, browser) {
            return Err(Refused::OtherBrowser);
        }
        if flow.status != FlowStatus::Redirected {
            return Err(Refused::AnsweredBefore);
        }
        if flow.expires_at <= self.now() {
            return Err(Refused::Expired);
        }
        let claimed = ConnectFlow {
            status: FlowStatus::Exchanging,
            ..flow.clone()
        };
        if !self.advance(&flow, &claimed).await? {
            return Err(Refused::AnsweredBefore);
        }
        // The code is used up from here on: a browser that goes away must not end it.
        let this = self.clone();
        // Boxed, as below: long, and rare.
        let carrying = Box::pin(async move { Ok(this.carry_out(claimed, answer).await) });
        let carried = self.uninterrupted(carrying);
        carried.await?
    }

    /// Takes the choice of a site, in the same browser: once.
    pub(crate) async fn site_chosen(
        &self,
        state: &str,
        site: usize,
        browser: &str,
    ) -> Result<Done, Refused> {
        let flow = self.flow_by_state(state).await?;
        if !self.is_browser_of(&flow, Some(browser)) {
            return Err(Refused::OtherBrowser);
        }
        if flow.status != FlowStatus::Choosing {
            return Err(Refused::AnsweredBefore);
        }
        if flow.expires_at <= self.now() {
            return Err(Refused::Expired);
        }
        let subject = self.subject(flow).await?;
        let waiting = subject.details.waiting.clone();
        let waiting = waiting.ok_or(Refused::AnsweredBefore)?;
        let choice = waiting.sites.into_iter().nth(site);
        let choice = choice.ok_or(Refused::NotOurForm)?;
        let grant = with_site(waiting.grant, choice);
        let this = self.clone();
        let finishing = Box::pin(async move { Ok(this.finish(subject, grant).await) });
        let carried = self.uninterrupted(finishing);
        carried.await?
    }

    async fn flow_by_state(&self, state: &str) -> Result<ConnectFlow, Refused> {
        if state.is_empty() {
            return Err(Refused::UnknownAnswer);
        }
        let hash = self.hash_of(Hashed::State, state);
        let found = self.storage().find_flow_by_state(&hash).await;
        let found = found.map_err(Error::storage("find an attempt to connect"))?;
        found.ok_or(Refused::UnknownAnswer)
    }

    /// From the claim to the end, whichever that is. What fails is noted where who waits sees it.
    async fn carry_out(
        &self,
        claimed: ConnectFlow,
        answer: ProviderAnswer,
    ) -> Result<Answered, Refused> {
        let state = answer.state.clone();
        let ended = Box::pin(self.granted(claimed.clone(), answer, state)).await;
        if let Err(refused) = &ended {
            self.note_failure(&claimed, refused).await;
        }
        ended
    }

    async fn granted(
        &self,
        claimed: ConnectFlow,
        answer: ProviderAnswer,
        state: String,
    ) -> Result<Answered, Refused> {
        let subject = self.subject(claimed).await?;
        let provider = self.provider_of_flow(&subject).await?;
        check_issuer(&provider.endpoints, answer.iss.as_deref())
            .map_err(|_| Refused::OtherIssuer)?;
        if let Some(error) = &answer.error {
            return Err(said_no(
                &provider,
                error,
                answer.error_description.as_deref(),
            ));
        }
        let Some(code) = answer.code.filter(|code| !code.is_empty()) else {
            let said = format!("{} sent you back without a code", provider.name);
            return Err(Refused::Provider(said));
        };
        let public_url = self.public_url().ok_or(Error::PublicUrlMissing)?;
        let deadline = oauth::Deadline::after(self.config().oauth.exchange_deadline);
        let verifier = subject.details.verifier.clone().map(SecretString::from);
        let oauth_client = client(&provider.registration);
        let tokens = self
            .tokens()
            .exchange(
                &provider.endpoints,
                &oauth_client,
                &code,
                verifier.as_ref(),
                &public_url.redirect_uri(),
                deadline,
            )
            .await
            .map_err(|error| refused(&provider, &error))?;
        let grant = self.grant(tokens, &subject.details.asked);
        let access_token = grant.secrets.access_token.as_deref();
        let sites = self
            .tokens()
            .after_connect(
                &provider.endpoints,
                access_token.unwrap_or_default(),
                deadline,
            )
            .await;
        let sites = sites.map_err(|error| refused(&provider, &error))?;
        let mut sites: Vec<Choice> = sites
            .into_iter()
            .map(|site| Choice {
                label: site.label,
                variables: site.variables,
            })
            .collect();
        if let Some(known) = self.site_before(&subject, &sites).await? {
            sites = vec![known];
        }
        if sites.len() > 1 {
            return self
                .let_choose(subject, provider, grant, sites, state)
                .await;
        }
        let grant = match sites.pop() {
            Some(only) => with_site(grant, only),
            None => grant,
        };
        self.finish(subject, grant).await.map(Answered::Done)
    }

    async fn let_choose(
        &self,
        subject: Subject,
        provider: Provider,
        grant: Grant,
        sites: Vec<Choice>,
        state: String,
    ) -> Result<Answered, Refused> {
        let labels = sites.iter().map(|site| site.label.clone()).collect();
        let details = Details {
            waiting: Some(Waiting { grant, sites }),
            ..subject.details
        };
        let choosing = ConnectFlow {
            status: FlowStatus::Choosing,
            details: details.sealed()?,
            ..subject.flow.clone()
        };
        if !self.advance(&subject.flow, &choosing).await? {
            return Err(Refused::AnsweredBefore);
        }
        Ok(Answered::Choose {
            sites: Sites {
                provider: provider.name,
                labels,
            },
            state,
        })
    }

    /// The site of the account that is connected again, if it is among those of the new grant.
    async fn site_before(
        &self,
        subject: &Subject,
        sites: &[Choice],
    ) -> Result<Option<Choice>, Error> {
        let Some(id) = subject.flow.account else {
            return Ok(None);
        };
        let known = self
            .storage()
            .tenant(subject.tenant.id)
            .find_account(id)
            .await;
        let known = known.map_err(Error::storage("find an account"))?;
        Ok(known.and_then(|account| {
            let same = |site: &&Choice| site.variables == account.variables;
            sites.iter().find(same).cloned()
        }))
    }

    /// The provider, with the registration that the person was sent there with.
    async fn provider_of_flow(&self, subject: &Subject) -> Result<Provider, Refused> {
        let provider = self
            .provider_for(&subject.tenant, &subject.connector)
            .await?;
        if subject.details.client != Some(provider.registration.id) {
            let said = format!(
                "the OAuth client for {} was replaced while you signed in",
                provider.name
            );
            return Err(Refused::Provider(said));
        }
        Ok(provider)
    }

    /// Says in the attempt why it failed, for who waits for it elsewhere. Nothing else can be done
    /// when that fails too: it is over by itself then.
    pub(super) async fn note_failure(&self, claimed: &ConnectFlow, refused: &Refused) {
        let problem = match refused {
            Refused::Declined(said) | Refused::Provider(said) => said.clone(),
            Refused::OtherIssuer => "the answer was from somebody else".to_owned(),
            Refused::OtherUser => "somebody else signed in than the account is of".to_owned(),
            Refused::Failed(Error::Internal { .. } | Error::Unavailable { .. }) => {
                "something went wrong here".to_owned()
            }
            Refused::Failed(error) => error.to_string(),
            // Another request has it.
            _ => return,
        };
        let failed = ConnectFlow {
            status: FlowStatus::Failed,
            problem: Some(problem),
            ..claimed.clone()
        };
        if let Err(error) = self.advance(claimed, &failed).await {
            tracing::warn!(connection.id = %claimed.id, "cannot note that it failed: {error}");
        }
    }
}

fn with_site(mut grant: Grant, site: Choice) -> Grant {
    grant.variables.extend(site.variables);
    grant.subject = grant.subject.or(Some(site.label));
    grant
}

/// The provider's error in words. Its own description is shown where there is one: the browser
/// carried it, so it is text and nothing more.
fn said_no(provider: &Provider, error: &str, description: Option<&str>) -> Refused {
    let name = &provider.name;
    let said = description.map(shown).filter(|said| !said.is_empty());
    let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
    match error {
        "access_denied" | "consent_required" | "interaction_required" => Refused::Declined(
            format!("You, or an administrator at {name}, did not allow it{said}"),
        ),
        "temporarily_unavailable" | "server_error" => Refused::Provider(format!(
            "{name} has trouble of its own{said}: try again later"
        )),
        "invalid_scope" => Refused::Provider(format!(
            "{name} does not know what was asked for, or its registration of this installation \
             does not allow it{said}: your administrator must look at the OAuth client"
        )),
        "unauthorized_client"
        | "invalid_request"
        | "unsupported_response_type"
        | "invalid_client" => Refused::Provider(format!(
            "{name} does not accept this installation's OAuth client{said}: your administrator \
             must look at it"
        )),
        other => Refused::Provider(format!("{name} answered {:?}{said}", shown(other))),
    }
}

/// One line of a text that came by way of a browser.
fn shown(text: &str) -> String {
    let clean = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean: String = clean
        .chars()
        .filter(|c| !c.is_control())
        .take(SAID_MAX)
        .collect();
    clean.trim_end_matches('.').to_owned()
}

fn refused(provider: &Provider, error: &TokenError) -> Refused {
    let name = &provider.name;
    tracing::warn!(provider = %name, "an account was not connected: {error}");
    Refused::Provider(match error {
        TokenError::InvalidGrant { .. } => {
            format!("{name} did not accept its own code: it may have waited too long")
        }
        TokenError::Refused { code, .. } if code == "no_site" => {
            format!("the account at {name} reaches no site")
        }
        TokenError::Refused { code, description } => format!(
            "{name} does not accept this installation's OAuth client ({}: {}): your administrator \
             must look at it",
            shown(code),
            shown(description)
        ),
        TokenError::Later { .. } => format!("{name} cannot answer now: try again later"),
        TokenError::Unsent(_) | TokenError::Unclear(_) => {
            format!("{name} could not be reached, or did not answer in time")
        }
        TokenError::Garbage(_) | TokenError::AnotherAccount => {
            format!("the answer of {name} could not be understood")
        }
    })
}

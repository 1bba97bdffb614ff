//! One call of one tool.

use std::sync::atomic::AtomicBool;

use catalog::{Connector, Pages, Tool};
use egress::Deadline;
use fabric::{Failure, FailureKind, Outcome};
use serde_json::{Value, json};
use url::Url;

use super::answer::{Made, items_of};
use super::arguments::Arguments;
use super::credential::Signed;
use super::exchange::Answered;
use super::pages::{self, Next, Page};
use super::request::Draft;
use super::spread::spread;
use super::{Engine, hooks, refusal};
use crate::credentials::Missing;
use crate::failure::unsent;

/// What a call is made with.
pub(super) struct Call<'a> {
    pub(super) engine: &'a Engine,
    pub(super) connector: &'a Connector,
    pub(super) tool: &'a Tool,
    pub(super) signed: &'a Signed<'a>,
    /// The connection's own base URL.
    pub(super) base_url: Option<&'a Url>,
    pub(super) deadline: Deadline,
    /// A request that changes something has been answered.
    pub(super) wrote: AtomicBool,
}

/// How a step of a call ended before its result: the provider refused, or there is no answer.
pub(super) enum Stop {
    Refused(Outcome),
    Failed(Failure),
    /// A person must connect an account first.
    Missing(Missing),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Call<'_> {
    pub(super) async fn run(&self, arguments: Arguments) -> Result<Outcome, Missing> {
        if let Some(failure) = self.lacks_base_url() {
            return Ok(Outcome::Failed(failure));
        }
        let most = self.engine.limits.spread_max;
        let all = match spread(self.tool, arguments, most) {
            Ok(all) => all,
            Err(violation) => return Ok(refusal::not_called(self.tool, &violation)),
        };
        if all.is_empty() {
            let rule = "an argument that is a list is empty";
            return Ok(refusal::not_called(self.tool, rule));
        }
        let _turns = match self.turns(&all[0]).await {
            Ok(turns) => turns,
            Err(failure) => return Ok(Outcome::Failed(failure)),
        };
        let made = match self.tool.hook {
            Some(hook) => hooks::run(self, hook, &all).await.map(|mut made| {
                self.select(&mut made, &all[0]);
                made
            }),
            None => self.plain(&all).await,
        };
        let outcome = match made {
            Ok(made) => made.into_outcome(self),
            Err(Stop::Refused(outcome)) => outcome,
            Err(Stop::Failed(failure)) => Outcome::Failed(self.in_all(failure)),
            Err(Stop::Missing(missing)) => return Err(missing),
        };
        Ok(self.signed.redact(outcome))
    }

    /// A call that data alone describe; `all` has the arguments of each request, at least one.
    async fn plain(&self, all: &[Arguments]) -> Result<Made, Stop> {
        let arguments = &all[0];
        let draft = self.draft(arguments)?;
        match &self.tool.pages {
            _ if self.gathers(all.len(), arguments) => self.gather(all).await,
            Some(pages) => match pages.follow {
                Some(items) => self.follow(pages, draft, items as usize, arguments).await,
                None => self.one_page(pages, draft, arguments).await,
            },
            None => self.simple(draft, arguments).await,
        }
    }

    /// What stands in the way of a request whose address has a part that nobody has said.
    fn lacks_base_url(&self) -> Option<Failure> {
        let connector = self.connector;
        let example = connector
            .own_base_url()
            .filter(|_| self.base_url.is_none())?;
        let name = &connector.display_name;
        let message = format!(
            "The connector has no base_url, which {name} needs: an administrator must set it, e.g. {example}"
        );
        Some(unsent(FailureKind::Credential, message))
    }

    /// The request of these arguments.
    pub(super) fn draft(&self, arguments: &Arguments) -> Result<Draft, Stop> {
        Draft::new(self.connector, self.tool, self.base_url, arguments)
            .map_err(|violation| Stop::Refused(refusal::not_called(self.tool, &violation)))
    }

    pub(super) async fn simple(&self, draft: Draft, arguments: &Arguments) -> Result<Made, Stop> {
        let answered = self.exchange(&draft).await?;
        self.accept(&answered)?;
        let answered = self.finish(&draft, answered).await;
        let body = self.parse(&answered)?;
        Ok(self.make(&answered, body, arguments))
    }

    /// Stops where the provider refused.
    pub(super) fn accept(&self, answered: &Answered) -> Result<(), Stop> {
        let styled = self.connector.errors.style != catalog::closed::ErrorStyle::HttpStatus;
        if answered.status.is_success() && !styled {
            return Ok(());
        }
        let body: Option<Value> = serde_json::from_slice(&answered.body).ok();
        if self.is_refusal(answered, body.as_ref()) {
            return Err(Stop::Refused(self.refusal(answered, body.as_ref())));
        }
        Ok(())
    }

    /// One page, and how to get the next.
    pub(super) async fn one_page(
        &self,
        pages: &Pages,
        draft: Draft,
        arguments: &Arguments,
    ) -> Result<Made, Stop> {
        let answered = self.exchange(&draft).await?;
        self.accept(&answered)?;
        let body = self.parse(&answered)?;
        let next = next(pages, &draft, &answered, &body, arguments);
        let mut made = self.make(&answered, body, arguments);
        self.tell_next(&next, &draft, &mut made);
        Ok(made)
    }

    pub(super) fn tell_next(&self, next: &Next, draft: &Draft, made: &mut Made) {
        if *next == Next::End {
            return;
        }
        match next.arguments(self.tool, draft) {
            Some(arguments) => {
                made.notes.push(format!(
                    "There are more: call again with {arguments} added."
                ));
                made.structured["next_page"] = arguments;
            }
            None => made
                .notes
                .push("There are more, which this tool cannot reach.".to_owned()),
        }
    }

    /// Pages until `wanted` items are there, or the engine's bounds are met.
    async fn follow(
        &self,
        pages: &Pages,
        mut draft: Draft,
        wanted: usize,
        arguments: &Arguments,
    ) -> Result<Made, Stop> {
        let (mut found, mut bytes, limits) = (Vec::new(), 0, &self.engine.limits);
        for count in 1.. {
            let answered = self.exchange(&draft).await?;
            self.accept(&answered)?;
            bytes += answered.body.len();
            let mut body = self.parse(&answered)?;
            let next = next(pages, &draft, &answered, &body, arguments);
            self.shape(&mut body, arguments);
            if let Some(Value::Array(items)) = pages.items.get_mut(&mut body) {
                found.append(items);
            }
            let is_full = found.len() >= wanted;
            if next == Next::End && found.len() <= wanted {
                return Ok(Made::json(items_of(found)));
            }
            if is_full || count >= limits.pages_max || bytes >= limits.response_max_bytes {
                break;
            }
            next.apply(&mut draft);
        }
        found.truncate(wanted);
        let mut made = Made::json(items_of(found));
        made.structured["truncated"] = json!(true);
        made.notes.push(format!(
            "There are more than the {} items shown: narrow the request.",
            found_len(&made)
        ));
        Ok(made)
    }
}

pub(super) fn next(
    pages: &Pages,
    draft: &Draft,
    answered: &Answered,
    body: &Value,
    arguments: &Arguments,
) -> Next {
    let items = pages.items.find(body, &|at| arguments.value(at).cloned());
    let items = match items {
        Some(Value::Array(items)) => items.len(),
        // By name, as Cursor lists what belongs to each user.
        Some(Value::Object(items)) => items.len(),
        _ => 0,
    };
    let (url, headers) = (&answered.url, &answered.headers);
    pages::next(
        pages,
        draft,
        &Page {
            url,
            headers,
            body,
            items,
        },
    )
}

fn found_len(made: &Made) -> usize {
    made.structured["items"].as_array().map_or(0, Vec::len)
}

//! Results that are put together from several requests: days, elements, report files, and pages
//! that can only be walked.

use bytes::Bytes;
use catalog::{Answer, Pages, ResultPath, Target};
use fabric::FailureKind;
use serde_json::{Value, json};

use super::answer::{Made, items_of};
use super::arguments::Arguments;
use super::call::{Call, Stop};
use super::pages::Next;
use super::request::Draft;
use crate::failure::sent;

/// Items of a slice when the caller does not say.
const SLICE: usize = 100;

/// What was gathered.
struct Found {
    items: Vec<Value>,
    /// What the last answer said beside its items.
    rest: Value,
    bytes: usize,
    complete: bool,
}

/// A report with all that its files hold.
pub(super) struct Report {
    pub(super) lines: Vec<Value>,
    /// What the provider said beside the links.
    pub(super) rest: Value,
    pub(super) bytes: usize,
    /// Whether all files were read.
    pub(super) complete: bool,
}

impl Call<'_> {
    /// Whether the call's result is put together here.
    pub(super) fn gathers(&self, requests: usize, arguments: &Arguments) -> bool {
        let is_report = matches!(self.tool.response.kind, Answer::ReportLinks(_));
        requests > 1 || is_report || self.own(&Target::WalkedPage, arguments).is_some()
    }

    /// The value of an argument that is the engine's own.
    fn own(&self, target: &Target, arguments: &Arguments) -> Option<usize> {
        let at = self
            .tool
            .args
            .iter()
            .position(|arg| arg.target == *target)?;
        let value = arguments.value(at)?.as_u64()?;
        usize::try_from(value).ok()
    }

    /// Makes all requests, one after the other, and joins their items.
    pub(super) async fn gather(&self, all: &[Arguments]) -> Result<Made, Stop> {
        let limits = &self.engine.limits;
        let mut found = Found {
            items: Vec::new(),
            rest: Value::Null,
            bytes: 0,
            complete: true,
        };
        for arguments in all {
            let draft = self.draft(arguments)?;
            match (&self.tool.response.kind, &self.tool.pages) {
                (Answer::ReportLinks(links), _) => {
                    self.report(links, &draft, arguments, &mut found).await?;
                }
                (_, Some(pages)) => {
                    let page = self.own(&Target::WalkedPage, arguments);
                    self.walk(pages, draft, page, arguments, &mut found).await?;
                }
                (_, None) => self.add(&draft, arguments, &mut found).await?,
            }
            if found.bytes > limits.response_max_bytes {
                found.complete = false;
                break;
            }
        }
        Ok(self.joined(found, &all[0]))
    }

    /// One request without pages.
    async fn add(
        &self,
        draft: &Draft,
        arguments: &Arguments,
        found: &mut Found,
    ) -> Result<(), Stop> {
        let answered = self.exchange(draft).await?;
        self.accept(&answered)?;
        found.bytes += answered.body.len();
        let mut body = self.parse(&answered)?;
        self.shape(&mut body, arguments);
        let items = self.tool.response.items.as_ref();
        match items.and_then(|items| items.get_mut(&mut body)) {
            Some(Value::Array(items)) => found.items.append(items),
            _ => found.items.push(body),
        }
        Ok(())
    }

    /// All pages, or the one with this number. The items of those before it are let go.
    async fn walk(
        &self,
        pages: &Pages,
        mut draft: Draft,
        wanted: Option<usize>,
        arguments: &Arguments,
        found: &mut Found,
    ) -> Result<(), Stop> {
        for number in 1..=self.engine.limits.pages_max {
            let answered = self.exchange(&draft).await?;
            self.accept(&answered)?;
            let mut body = self.parse(&answered)?;
            let next = super::call::next(pages, &draft, &answered, &body, arguments);
            if wanted.is_none_or(|wanted| wanted == number) {
                found.bytes += answered.body.len();
                self.shape(&mut body, arguments);
                if let Some(Value::Array(items)) = pages.items.get_mut(&mut body) {
                    found.items.append(items);
                }
            }
            let is_enough = wanted.is_some_and(|wanted| wanted <= number);
            if next == Next::End || is_enough {
                found.complete &= next == Next::End;
                return Ok(());
            }
            if found.bytes > self.engine.limits.response_max_bytes {
                break;
            }
            next.apply(&mut draft);
        }
        found.complete = false;
        Ok(())
    }

    /// A report, its lines filtered.
    async fn report(
        &self,
        links: &ResultPath,
        draft: &Draft,
        arguments: &Arguments,
        found: &mut Found,
    ) -> Result<(), Stop> {
        let mut report = self.report_lines(links, draft).await?;
        found.bytes += report.bytes;
        found.complete &= report.complete;
        found.items.append(&mut report.lines);
        let response = &self.tool.response;
        found
            .items
            .retain(|item| self.keeps(response, item, arguments));
        found.rest = report.rest;
        Ok(())
    }

    /// The lines of a report's files. They lie at addresses that are signed by themselves.
    pub(super) async fn report_lines(
        &self,
        links: &ResultPath,
        draft: &Draft,
    ) -> Result<Report, Stop> {
        let answered = self.exchange(draft).await?;
        self.accept(&answered)?;
        let mut rest = self.parse(&answered)?;
        let links = links.get_mut(&mut rest).map(Value::take);
        let links = links.as_ref().and_then(Value::as_array);
        let (mut lines_found, mut bytes, mut complete) = (Vec::new(), 0, true);
        for link in links.into_iter().flatten().filter_map(Value::as_str) {
            let file = draft.follow(link, true).map_err(|why| {
                let message = format!("the report is at a link that is not followed: {why}");
                sent(FailureKind::Garbage, message)
            })?;
            let answered = self.exchange(&file).await?;
            self.accept(&answered)?;
            bytes += answered.body.len();
            for line in lines(&answered.body) {
                let item = serde_json::from_slice(line);
                lines_found.push(item.map_err(|error| self.garbage(&answered, &error))?);
            }
            if bytes > self.engine.limits.response_max_bytes {
                complete = false;
                break;
            }
        }
        if let Some(members) = rest.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        Ok(Report {
            lines: lines_found,
            rest,
            bytes,
            complete,
        })
    }

    fn joined(&self, found: Found, arguments: &Arguments) -> Made {
        let total = found.items.len();
        let size = self.own(&Target::SliceSize, arguments);
        let page = self.own(&Target::Slice, arguments).map(|page| page.max(1));
        let mut items = found.items;
        let mut next = None;
        if size.is_some() || page.is_some() {
            let (page, size) = (page.unwrap_or(1), size.unwrap_or(SLICE).max(1));
            let start = (page - 1).saturating_mul(size);
            items = items.into_iter().skip(start).take(size).collect();
            next = (start + items.len() < total).then_some(page + 1);
        }
        let mut made = Made::json(items_of(items));
        made.structured["total"] = json!(total);
        if found.rest.as_object().is_some_and(|rest| !rest.is_empty()) {
            made.structured["report"] = found.rest;
        }
        if let Some(next) = next {
            made.structured["next_page"] = json!({ "page": next });
            made.notes
                .push(format!("There are more: call again with page {next}."));
        }
        let walked = self.own(&Target::WalkedPage, arguments);
        if let Some(page) = walked.filter(|_| !found.complete) {
            made.structured["next_page"] = json!({ "page": page + 1 });
            made.notes.push(format!(
                "There are more: call again with page {}.",
                page + 1
            ));
        } else if !found.complete {
            made.structured["truncated"] = json!(true);
            made.notes
                .push("There is more than is shown: narrow the request.".to_owned());
        }
        made
    }
}

fn lines(text: &Bytes) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
}

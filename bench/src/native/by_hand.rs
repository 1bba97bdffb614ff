//! The same tools as a person would write them for this one provider: reqwest, a function each, the
//! provider's JSON as it comes.

use anyhow::{Context, bail};
use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A client of GitHub, and the call that it makes.
#[derive(Clone)]
pub(super) struct ByHand {
    client: Client,
    base: String,
    tool: String,
    arguments: String,
    /// Whether a tool result is made of the answer.
    results: bool,
}

#[derive(Deserialize)]
struct Issue {
    owner: String,
    repo: String,
    issue_number: u64,
}

#[derive(Deserialize)]
struct Issues {
    owner: String,
    repo: String,
    per_page: u64,
}

#[derive(Serialize)]
struct ToolResult<'a> {
    content: [Text<'a>; 1],
    #[serde(rename = "structuredContent")]
    structured: Structured<'a>,
    #[serde(rename = "isError")]
    is_error: bool,
}

#[derive(Serialize)]
struct Text<'a> {
    r#type: &'static str,
    text: &'a str,
}

/// An object, as the protocol wants it.
#[derive(Serialize)]
#[serde(untagged)]
enum Structured<'a> {
    Whole(&'a Value),
    List { items: &'a [Value] },
}

impl ByHand {
    /// With `results`, calls go on to a tool result; else they end with the parsed answer.
    pub(super) fn new(
        url: &str,
        token: &str,
        tool: &str,
        arguments: &str,
        results: bool,
    ) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        let accept = HeaderValue::from_static("application/vnd.github+json");
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}"))?;
        authorization.set_sensitive(true);
        headers.insert(ACCEPT, accept);
        headers.insert(AUTHORIZATION, authorization);
        headers.insert(USER_AGENT, HeaderValue::from_static("bench"));
        let version = HeaderValue::from_static("2022-11-28");
        headers.insert("x-github-api-version", version);
        let client = Client::builder().default_headers(headers).no_proxy();
        Ok(Self {
            client: client.build()?,
            base: url.trim_end_matches('/').to_owned(),
            tool: tool.to_owned(),
            arguments: arguments.to_owned(),
            results,
        })
    }

    /// The bytes of the result, or of the answer where none is made.
    pub(super) async fn call(&self) -> anyhow::Result<Bytes> {
        let answer = self.client.get(self.address()?).send().await?;
        let body = answer.error_for_status()?.bytes().await?;
        let parsed: Value = serde_json::from_slice(&body).context("GitHub's answer")?;
        if !self.results {
            // What was parsed is not looked at: its length stands for it.
            return Ok(body);
        }
        let text = parsed.to_string();
        let result = ToolResult {
            content: [Text {
                r#type: "text",
                text: &text,
            }],
            structured: match &parsed {
                Value::Array(items) => Structured::List { items },
                other => Structured::Whole(other),
            },
            is_error: false,
        };
        Ok(serde_json::to_vec(&result)?.into())
    }

    fn address(&self) -> anyhow::Result<Url> {
        let base = &self.base;
        let address = match self.tool.as_str() {
            "github_get_issue" => {
                let Issue {
                    owner,
                    repo,
                    issue_number,
                } = serde_json::from_str(&self.arguments)?;
                Url::parse(&format!(
                    "{base}/repos/{owner}/{repo}/issues/{issue_number}"
                ))?
            }
            "github_list_issues" => {
                let Issues {
                    owner,
                    repo,
                    per_page,
                } = serde_json::from_str(&self.arguments)?;
                let query = [
                    ("state", "open"),
                    ("sort", "created"),
                    ("direction", "desc"),
                    ("per_page", &per_page.to_string()),
                ];
                let address = format!("{base}/repos/{owner}/{repo}/issues");
                Url::parse_with_params(&address, query)?
            }
            other => bail!("nobody has written {other} by hand"),
        };
        Ok(address)
    }
}

//! One tool of GitHub, called in one of the ways that are compared.

use anyhow::{Context, bail, ensure};
use bench::client::{Client, Target};
use bytes::Bytes;

use super::by_hand::ByHand;
use super::engine::Engine;

/// Calls made before anything is measured: connections are open then, and what is compiled once is.
pub(super) const WARM_UP: usize = 50;

/// The token that all ways send to the stand-in.
const TOKEN: &str = "ghp_token-of-the-bench";

/// What is called, and how.
pub(super) struct What<'a> {
    pub(super) way: &'a str,
    /// Where GitHub's paths begin; of `up`, the endpoint of its connector.
    pub(super) url: &'a str,
    pub(super) tool: &'a str,
    /// A JSON object.
    pub(super) arguments: &'a str,
}

/// Calls the same again and again, one call at a time.
pub(super) enum Calls {
    ByHand(ByHand),
    Engine(Box<Engine>),
    /// The platform in another process.
    Up(Box<Up>),
}

/// A connection to the platform.
pub(super) struct Up {
    client: Client,
    tool: String,
    arguments: String,
}

impl Calls {
    /// `count` of them, which share their pools of connections where they are of one process.
    pub(super) async fn of(what: &What<'_>, count: usize) -> anyhow::Result<Vec<Self>> {
        let What {
            way,
            url,
            tool,
            arguments,
        } = *what;
        let some = |one: &dyn Fn() -> Self| (0..count).map(|_| one()).collect();
        Ok(match way {
            "reqwest" | "handler" => {
                let by_hand = ByHand::new(url, TOKEN, tool, arguments, way == "handler")?;
                some(&|| Self::ByHand(by_hand.clone()))
            }
            "engine" => {
                let engine = Engine::new(url, TOKEN, tool, arguments)?;
                some(&|| Self::Engine(Box::new(engine.clone())))
            }
            "up" => {
                let target = Target::new(url, key().as_deref())?;
                let mut all = Vec::new();
                for _ in 0..count {
                    all.push(Self::Up(Box::new(Up {
                        client: Client::connect(&target).await?,
                        tool: tool.to_owned(),
                        arguments: arguments.to_owned(),
                    })));
                }
                all
            }
            other => bail!("there is no way {other}"),
        })
    }

    /// How many bytes the result has.
    pub(super) async fn call(&mut self) -> anyhow::Result<usize> {
        let result = match self {
            Self::ByHand(by_hand) => by_hand.call().await?,
            Self::Engine(engine) => engine.call().await?,
            Self::Up(up) => up.call().await?,
        };
        Ok(result.len())
    }

    /// Warms up, and tells how many bytes each result has.
    pub(super) async fn warm_up(&mut self) -> anyhow::Result<usize> {
        if let Self::Engine(engine) = self {
            let result: serde_json::Value = serde_json::from_slice(&engine.call().await?)?;
            ensure!(result["isError"] == false, "the call failed: {result}");
        }
        let bytes = self.call().await.context("the first call")?;
        for _ in 0..WARM_UP {
            self.call_of(bytes).await?;
        }
        Ok(bytes)
    }

    /// A call whose result must have so many bytes, as all others have.
    pub(super) async fn call_of(&mut self, bytes: usize) -> anyhow::Result<()> {
        let found = self.call().await?;
        ensure!(
            found == bytes,
            "a result of {found} bytes instead of {bytes}"
        );
        Ok(())
    }
}

impl Up {
    async fn call(&mut self) -> anyhow::Result<Bytes> {
        let answer = self.client.call_with(&self.tool, &self.arguments).await?;
        ensure!(answer.is_result(), "{}", answer.told());
        Ok(answer.body)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a tool of one run has no configuration"
)]
fn key() -> Option<String> {
    std::env::var("BENCH_KEY")
        .ok()
        .filter(|key| !key.is_empty())
}

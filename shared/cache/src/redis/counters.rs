//! Counters in Redis.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::link::{Link, args};
use super::script::COUNTER_HIT;
use crate::{CacheError, Counters, Rate};

pub(super) struct RedisCounters(pub(super) Arc<Link>);

impl Counters for RedisCounters {
    fn hit(&self, what: Uuid, rate: Rate) -> BoxFuture<'_, Result<Option<Duration>, CacheError>> {
        Box::pin(async move {
            let tag = what.as_simple().to_string();
            let key = format!("{}r:{}", self.0.base(&tag), rate.window_ms());
            let wait: u64 = self
                .0
                .eval(&COUNTER_HIT, &tag, &[&key], |command| {
                    args(command, &[&rate.window_ms(), &rate.most]);
                })
                .await?;
            Ok((wait > 0).then(|| Duration::from_millis(wait)))
        })
    }
}

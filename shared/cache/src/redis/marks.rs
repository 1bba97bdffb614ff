//! Marks in Redis: keys that the first to come sets.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::link::Link;
use crate::{CacheError, Marks};

pub(super) struct RedisMarks(pub(super) Arc<Link>);

impl Marks for RedisMarks {
    fn take(&self, mark: Uuid, keep: Duration) -> BoxFuture<'_, Result<bool, CacheError>> {
        Box::pin(async move {
            let tag = mark.as_simple().to_string();
            let mut command = redis::cmd("SET");
            command.arg(format!("{}k", self.0.base(&tag))).arg(1);
            let keep = keep.as_millis().max(1) as u64;
            command.arg("NX").arg("PX").arg(keep);
            let set: Option<String> = self.0.command(&tag, &command).await?;
            Ok(set.is_some())
        })
    }
}

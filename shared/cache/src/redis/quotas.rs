//! Quotas in Redis: a number for each window, which ends with it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::link::{Link, args};
use super::script::QUOTA_DRAW;
use crate::{CacheError, Draw, Drawn, Quotas, Rate};

pub(super) struct RedisQuotas(pub(super) Arc<Link>);

impl Quotas for RedisQuotas {
    fn draw(&self, what: Uuid, rate: Rate, draw: Draw) -> BoxFuture<'_, Result<Drawn, CacheError>> {
        Box::pin(async move {
            let tag = what.as_simple().to_string();
            let window = rate.window_ms();
            let key = format!("{}q:{window}", self.0.base(&tag));
            let (granted, left): (u32, u64) = self
                .0
                .eval(&QUOTA_DRAW, &tag, &[&key], |command| {
                    args(command, &[&window, &rate.most, &draw.spent, &draw.wanted]);
                })
                .await?;
            let left = Duration::from_millis(left);
            Ok(Drawn { granted, left })
        })
    }
}

//! A manifest of the catalog, run for one tenant.

use std::sync::Arc;

use egress::Deadline;
use fabric::{Call, Events, Failure, FailureKind, Lease, Listing, Outcome};

use super::guarded;
use crate::breaker::Breaker;
use crate::credentials::{Credentials, Renewal, Signature, Unsigned, Whose};
use crate::failure::unsent;
use crate::native::{Engine, Plan, Signed, Wanted, no_type};

pub(crate) struct NativeRunner {
    pub(super) engine: Arc<Engine>,
    pub(super) lease: Lease,
    pub(super) breaker: Breaker,
    pub(super) credentials: Arc<Credentials>,
}

impl NativeRunner {
    pub(super) async fn call(
        &self,
        call: &Call,
        events: Option<&Events>,
        deadline: Deadline,
    ) -> Outcome {
        let kind = self.lease.connector.kind.type_name();
        let (tool, arguments, then) = match self.engine.plan(kind, &call.request) {
            Plan::Done(outcome) => return outcome,
            Plan::Call {
                tool,
                arguments,
                then,
            } => (tool, arguments, then),
        };
        let wanted = self.engine.wanted(kind, &tool);
        let signature = match self.signature(call, wanted, events, deadline).await {
            Ok(signature) => signature,
            Err(why) => return self.credentials.answer(call, why),
        };
        let renewal = matches!(signature, Signature::Account(_)).then(|| Renewal {
            credentials: &self.credentials,
            whose: Whose::of(call).of_kind(wanted.and_then(|wanted| wanted.kind)),
            accounts: call.accounts,
            deadline,
        });
        let signed = Signed::new(&self.lease, signature, renewal);
        let (mut missing, arguments) = (None, arguments.as_deref());
        let work = async {
            let time = deadline.remaining();
            match self.engine.call(&signed, &tool, arguments, time).await {
                Ok(outcome) => then.finish(outcome),
                Err(wanted) => {
                    missing = Some(wanted);
                    // The provider has answered.
                    Outcome::Result(bytes::Bytes::new())
                }
            }
        };
        // Boxed: its future is large, and room for it would be made in every call of whatever kind.
        let outcome = guarded(&self.breaker, Box::pin(work), deadline).await;
        match missing {
            None => outcome,
            Some(missing) => self.credentials.answer(call, Unsigned::Missing(missing)),
        }
    }

    /// The caller's own token goes before all; accounts are asked for only where there can be any.
    async fn signature(
        &self,
        call: &Call,
        wanted: Option<Wanted>,
        events: Option<&Events>,
        deadline: Deadline,
    ) -> Result<Signature, Unsigned> {
        if let Some(token) = &call.user_token {
            return Ok(Signature::Given(token.clone()));
        }
        match wanted.filter(|_| self.lease.takes_accounts) {
            None => Ok(Signature::Own),
            Some(Wanted { kind }) => {
                let found = self.credentials.for_call(call, kind, events, deadline);
                found.await
            }
        }
    }

    pub(super) fn listing(&self) -> Result<Listing, Failure> {
        let name = self.lease.connector.kind.type_name();
        let connector = self.engine.connector(name);
        let connector = connector.ok_or_else(|| unsent(FailureKind::Gone, no_type(name)))?;
        let tools = connector.tools.iter().map(catalog::Tool::definition);
        Ok(Listing {
            tools: tools.collect(),
            server: connector.server_info(),
        })
    }
}

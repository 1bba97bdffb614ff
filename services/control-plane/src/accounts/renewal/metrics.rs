//! What is told of accounts.

use domain::AccountState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use runtime::Metrics;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// How one request for new tokens ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refreshed {
    Ok,
    /// The provider takes the account no more.
    Ended,
    /// It gave nothing this time.
    Failed,
}

pub(super) struct AccountMetrics {
    refreshes: Family<Ended, Counter>,
    states: Family<State, Gauge>,
    unstored: Gauge,
}

impl AccountMetrics {
    pub(super) fn register(metrics: &Metrics) -> Self {
        Self {
            refreshes: metrics.register(
                "control_plane_account_refreshes",
                "Requests for new tokens of an account that ended, by outcome",
                Family::default(),
            ),
            states: metrics.register(
                "control_plane_accounts",
                "Accounts of all tenants, by state; told by the control-plane that renews them",
                Family::default(),
            ),
            unstored: metrics.register(
                "control_plane_account_tokens_unstored",
                "Pairs of tokens that a provider gave and the database does not have yet",
                Gauge::default(),
            ),
        }
    }

    pub(super) fn refreshed(&self, how: Refreshed) {
        let outcome = match how {
            Refreshed::Ok => "ok",
            Refreshed::Ended => "ended",
            Refreshed::Failed => "failed",
        };
        self.refreshes.get_or_create(&Ended { outcome }).inc();
    }

    pub(super) fn unstored(&self, pairs: usize) {
        self.unstored.set(i64::try_from(pairs).unwrap_or(i64::MAX));
    }

    pub(super) fn states(&self, counted: &[(AccountState, u64)]) {
        for state in [AccountState::Connected, AccountState::NeedsReauth] {
            let found = counted.iter().find(|(found, _)| *found == state);
            let count = found.map_or(0, |(_, count)| *count);
            let labels = State {
                state: state.as_str(),
            };
            let gauge = self.states.get_or_create_owned(&labels);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// It is told by another.
    pub(super) fn forget_states(&self) {
        self.states.clear();
    }
}

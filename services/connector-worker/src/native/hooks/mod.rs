//! What data cannot say: code for single tools, one file for each provider.

mod github;

use catalog::Hook;

use super::answer::Made;
use super::call::{Call, Stop};
use super::request::Draft;

/// Runs a hook; `draft` is the tool's own request.
pub(super) async fn run(call: &Call<'_>, hook: Hook, draft: Draft) -> Result<Made, Stop> {
    match hook {
        Hook::GithubUserStats => github::user_stats(call, draft).await,
        Hook::GithubRepoStats => github::repo_stats(call, draft).await,
    }
}

//! What data cannot say: code for single tools, by provider.
//!
//! A hook makes of the arguments what the tool's own request takes, or of several answers one
//! result. It sends through the same engine as data do: bounds, credential, repetitions and refusals
//! are the same. Where an earlier request has changed something and a later one fails, the answer
//! says what was done.

mod copilot;
mod cursor;
mod desk;
mod github;
mod gmail;
mod google;
mod metrics;
mod notion;
mod office;
mod slack;
mod teams;
mod windsurf;

use catalog::closed::Hook;

use super::answer::Made;
use super::arguments::Arguments;
use super::call::{Call, Stop};

/// Runs a hook. `all` has the arguments of each request that the call becomes, at least one.
pub(super) async fn run(call: &Call<'_>, hook: Hook, all: &[Arguments]) -> Result<Made, Stop> {
    let one = &all[0];
    match hook {
        Hook::BlockTypeKey => notion::update_block(call, one).await,
        Hook::BlocksToText => notion::blocks_to_text(call, one).await,
        Hook::MarkdownToBlocks => notion::append_blocks(call, one).await,
        Hook::NotionParentAndBlocks => notion::create_page(call, one).await,
        Hook::ResolveDataSource => notion::resolve_data_source(call, one).await,
        Hook::BlankOoxml => office::blank_ooxml(call, one).await,
        Hook::BuildPptx => office::build_pptx(call, one).await,
        Hook::CalendarRsvp => google::rsvp(call, one).await,
        Hook::ChatMembers => teams::chat_members(call, one).await,
        Hook::CreateThenInsert => google::create_then_insert(call, one).await,
        Hook::DecodeMime => gmail::decode(call, one).await,
        Hook::DocsToText => google::docs_to_text(call, one).await,
        Hook::FieldMask => google::field_mask(call, one).await,
        Hook::GithubRepoStats => github::repo_stats(call, one).await,
        Hook::GithubUserStats => github::user_stats(call, one).await,
        Hook::HydrateMessages => gmail::hydrate(call, one).await,
        Hook::MultiStepUpload => slack::upload(call, one).await,
        Hook::PptxListSlides => office::pptx_list_slides(call, one).await,
        Hook::PptxToText => office::pptx_to_text(call, one).await,
        Hook::Rfc2822 => gmail::write(call, one).await,
        Hook::Rfc2822Forward => gmail::forward(call, one).await,
        Hook::Rfc2822Reply => gmail::reply(call, one).await,
        Hook::SkipDeleteWhenEmpty => google::skip_delete_when_empty(call, one).await,
        Hook::SlidesSpeakerNotes => google::speaker_notes(call, one).await,
        Hook::SlidesToText => google::slides_to_text(call, one).await,
        Hook::CodingMetrics => metrics::normalised(call, all).await,
        Hook::CopilotReportSummary => copilot::summary(call, one).await,
        Hook::CursorUserEmail => cursor::user_email(call, one).await,
        Hook::InactiveSeats => copilot::inactive_seats(call, one).await,
        Hook::WindsurfDerived => windsurf::derived(call, one).await,
        Hook::WindsurfQueryRequests => windsurf::query_requests(call, one).await,
    }
}

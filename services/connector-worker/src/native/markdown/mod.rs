//! Markdown on its way to providers that want another form of text.

mod adf;
mod storage;

pub(super) use adf::to_adf;
pub(super) use storage::to_storage;

use pulldown_cmark::Options;

/// CommonMark with what people write besides: tables and struck-out text.
const FLAVOUR: Options = Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH);

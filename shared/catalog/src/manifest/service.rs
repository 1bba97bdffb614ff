//! What holds for all tools of a provider: limits, paging, errors.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::closed::{ConditionalRequests, ErrorStyle, ListPlace, NextUrl, ResetUnit, RetryAfter};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateLimitText {
    pub(crate) statuses: Vec<u16>,
    pub(crate) retry_after: RetryAfter,
    #[serde(default)]
    pub(crate) headers: LimitHeadersText,
    pub(crate) body_retry_after_path: Option<String>,
    #[serde(default)]
    pub(crate) retry_reasons: Vec<String>,
    pub(crate) reason_path: Option<String>,
    #[serde(default)]
    pub(crate) bucket_path_params: Vec<String>,
    #[serde(default)]
    pub(crate) serial_writes: bool,
    #[serde(default)]
    pub(crate) serial_path_params: Vec<String>,
    pub(crate) requests_at_once: Option<u32>,
    pub(crate) conditional_requests: Option<ConditionalRequests>,
    pub(crate) note: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitHeadersText {
    pub(crate) limit: Option<String>,
    pub(crate) remaining: Option<String>,
    pub(crate) reset: Option<String>,
    pub(crate) reset_unit: Option<ResetUnit>,
    pub(crate) bucket: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) global: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) used: Option<String>,
    pub(crate) cost: Option<String>,
}

/// One profile of the closed list of paging kinds.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum PaginationText {
    LinkHeader {
        page_param: Option<String>,
        size_param: Option<String>,
        max_size: Option<u32>,
        next_page_header: Option<String>,
        total_header: Option<String>,
        note: Option<String>,
    },
    NextUrl {
        next_path: String,
        url: NextUrl,
        page_param: Option<String>,
        cursor_param: Option<String>,
        size_param: Option<String>,
        max_size: Option<u32>,
        note: Option<String>,
    },
    Cursor {
        param: String,
        #[serde(rename = "in")]
        place: ListPlace,
        next_path: String,
        more_path: Option<String>,
        last_path: Option<String>,
        size_param: Option<String>,
        max_size: Option<u32>,
        note: Option<String>,
    },
    Keyset {
        param: String,
        #[serde(rename = "in")]
        place: ListPlace,
        key_path: String,
        more_path: Option<String>,
        size_param: Option<String>,
        max_size: Option<u32>,
        note: Option<String>,
    },
    PageNumber {
        param: String,
        #[serde(rename = "in")]
        place: ListPlace,
        first: i64,
        more_path: Option<String>,
        pages_path: Option<String>,
        total_path: Option<String>,
        size_param: Option<String>,
        max_size: Option<u32>,
        note: Option<String>,
    },
    Offset {
        param: String,
        #[serde(rename = "in")]
        place: ListPlace,
        total_path: Option<String>,
        last_path: Option<String>,
        size_param: Option<String>,
        max_size: Option<u32>,
        note: Option<String>,
    },
    Relay {
        first_variable: String,
        after_variable: String,
        max_size: Option<u32>,
        note: Option<String>,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorsText {
    pub(crate) style: ErrorStyle,
    pub(crate) ok_path: Option<String>,
    pub(crate) code_path: Option<String>,
    pub(crate) status_path: Option<String>,
    pub(crate) message_path: Option<String>,
    #[serde(default)]
    pub(crate) detail_paths: Vec<String>,
    pub(crate) note: Option<String>,
}

/// What is left out of results.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OutputText {
    pub(crate) drop: Vec<String>,
    pub(crate) keep: Vec<String>,
    pub(crate) brief: BTreeMap<String, Vec<String>>,
}

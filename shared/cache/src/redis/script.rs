//! The scripts. Each runs as one step of the server, on keys of one hash slot.

use std::sync::LazyLock;

/// A script and its digest.
pub(super) struct Script {
    pub(super) source: &'static str,
    digest: LazyLock<String>,
}

impl Script {
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }
}

/// A script from its files, one behind the other.
macro_rules! script {
    ($($file:literal),+) => {{
        const SOURCE: &str = concat!($(include_str!(concat!("lua/", $file, ".lua"))),+);
        Script {
            source: SOURCE,
            digest: LazyLock::new(|| redis::Script::new(SOURCE).get_hash().to_owned()),
        }
    }};
}

pub(super) static SESSION_BEGIN: Script = script!("common", "session_begin");
pub(super) static SESSION_TOUCH: Script = script!("common", "session_common", "session_touch");
pub(super) static SESSION_LEVEL: Script = script!("common", "session_common", "session_level");
pub(super) static SESSION_CALL: Script = script!("common", "session_common", "session_call");
pub(super) static SESSION_SUBSCRIBE: Script = script!(
    "common",
    "session_common",
    "session_uris",
    "session_subscribe"
);
pub(super) static SESSION_UNSUBSCRIBE: Script = script!(
    "common",
    "session_common",
    "session_uris",
    "session_unsubscribe"
);
pub(super) static SESSION_END: Script = script!("session_end");
pub(super) static LIST_ADD: Script = script!("common", "list_add");
pub(super) static LIST_ALL: Script = script!("common", "list_all");

pub(super) static STREAM_OPEN: Script = script!("common", "streams", "stream_open");
pub(super) static STREAM_APPEND: Script = script!("common", "streams", "stream_append");
pub(super) static STREAM_CLOSE: Script = script!("common", "streams", "stream_close");
pub(super) static STREAM_ATTACH: Script = script!("common", "streams", "stream_attach");
pub(super) static STREAM_READ: Script = script!("common", "streams", "stream_read");
pub(super) static STREAM_DETACH: Script = script!("common", "streams", "stream_detach");
pub(super) static STREAM_RENEW: Script = script!("common", "streams", "stream_renew");
pub(super) static STREAM_STANDALONE: Script = script!("common", "streams", "stream_standalone");
pub(super) static STREAM_FORGET: Script = script!("common", "streams", "stream_forget");
pub(super) static STREAM_DROP: Script = script!("common", "streams", "stream_drop");
pub(super) static STREAM_BEQUEATH: Script = script!("common", "streams", "stream_bequeath");
pub(super) static STREAM_BURY: Script = script!("common", "streams", "stream_bury");
pub(super) static STREAM_SHED: Script = script!("common", "streams", "stream_shed");

pub(super) static MAIL_OPEN: Script = script!("common", "mail", "mail_open");
pub(super) static MAIL_CLOSE: Script = script!("common", "mail", "mail_close");
pub(super) static MAIL_SEND: Script = script!("common", "mail", "mail_send");
pub(super) static MAIL_SEND_ALL: Script = script!("common", "mail", "mail_send_all");
pub(super) static MAIL_ANY: Script = script!("common", "mail", "mail_any");
pub(super) static MAIL_TAKE: Script = script!("mail_take");

pub(super) static QUOTA_DRAW: Script = script!("common", "quota_draw");

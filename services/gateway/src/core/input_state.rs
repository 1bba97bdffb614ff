//! `requestState`: what a modern client carries between two rounds of one call. It opens once,
//! for the same caller, endpoint and request, within its time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use ::mcp::codes;
use ::mcp::mrtr::InputKind;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use fabric::Request;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::anew::Anew;
use super::answer::{Answer, shortened};
use super::caller::Caller;

const PURPOSE: &[u8] = b"mcp input 1";
/// A longer state is none of ours.
const MAX_TEXT: usize = 256 * 1024;
/// A longer state of an upstream cannot be carried: with escapes and in base64 it grows.
const MAX_UPSTREAM: usize = 64 * 1024;
/// Bytes of the keys of one round, likewise.
const MAX_KEYS: usize = 8 * 1024;

/// What a request answers, by key.
pub(super) type Answers<'r> = HashMap<Cow<'r, str>, &'r RawValue>;

/// Why a call cannot be parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotParked {
    TooMany,
    TooLong,
}

/// What stands in a state.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct InputState {
    connector: Uuid,
    /// The upstream's own state.
    pub(super) upstream: Option<String>,
    /// What was asked, by key: the answers are checked before the state is used up.
    asked: Vec<(String, InputKind)>,
    /// How often the upstream has asked back so far.
    pub(super) round: u32,
    /// The call is made anew, without the answers: what they did, they did elsewhere.
    pub(super) again: bool,
    /// What is needed to make the call anew if it cannot go on, where it may be.
    pub(super) anew: Option<Anew>,
    /// Unix seconds.
    expires: i64,
    mark: Uuid,
    /// The gateway that counts the call as parked.
    node: Uuid,
    digest: String,
}

/// A call that is to be taken up again later.
pub(super) struct Parking<'a> {
    pub(super) connector: Uuid,
    pub(super) request: &'a Request,
    /// What its client is asked, by key.
    pub(super) asked: Vec<(String, InputKind)>,
    pub(super) upstream: Option<String>,
    pub(super) round: u32,
    pub(super) again: bool,
    pub(super) anew: Option<Anew>,
}

impl InputState {
    /// Seals a state, and counts the call as parked.
    ///
    /// # Errors
    /// There are as many parked calls as there may be, or the upstream's state or its keys are too
    /// long.
    pub(super) fn hand_out(caller: &Caller, parking: Parking<'_>) -> Result<String, NotParked> {
        let upstream = parking.upstream.as_deref().unwrap_or_default();
        let keys: usize = parking.asked.iter().map(|(key, _)| key.len() + 1).sum();
        if upstream.len() > MAX_UPSTREAM || keys > MAX_KEYS {
            return Err(NotParked::TooLong);
        }
        let (app, now) = (&caller.app, caller.now());
        let keep = i64::try_from(app.config.input_timeout.as_secs()).unwrap_or(i64::MAX / 2);
        let expires = now.saturating_add(keep.max(1));
        let mark = app.ids.next();
        if !app.parked.hand_out(mark, caller.owner(), now, expires) {
            return Err(NotParked::TooMany);
        }
        let state = Self {
            connector: parking.connector,
            upstream: parking.upstream,
            asked: parking.asked,
            round: parking.round,
            again: parking.again,
            anew: parking.anew,
            expires,
            mark,
            node: app.parked.node(),
            digest: digest(parking.request),
        };
        let plain = serde_json::to_vec(&state).expect("plain data");
        Ok(app.sealer.seal(&plain, &caller.bound().place(PURPOSE, b"")))
    }

    /// Opens a state for the request and the answers, by key, that come with it, once.
    ///
    /// # Errors
    /// The answer. Why a state does not open is not told; what is wrong with an answer is, and the
    /// state stays good.
    pub(super) async fn take_up(
        caller: &Caller,
        id: &str,
        sealed: &str,
        connector: Uuid,
        request: &Request,
        answers: &Answers<'_>,
    ) -> Result<Self, Answer> {
        let refused = || {
            let message = "Invalid params: unknown or expired requestState";
            Answer::error(id, codes::INVALID_PARAMS, message, None)
        };
        let app = &caller.app;
        let state = Self::open(caller, sealed).ok_or_else(refused)?;
        let (now, same) = (caller.now(), state.digest == digest(request));
        if !same || state.connector != connector || now >= state.expires {
            return Err(refused());
        }
        for (key, kind) in &state.asked {
            if let Some(answer) = answers.get(key.as_str()) {
                let checked = kind.check(answer);
                checked.map_err(|wrong| malformed(id, key, wrong))?;
            }
        }
        let left = u64::try_from(state.expires - now).unwrap_or(0);
        // The clock of another node may be behind.
        let keep = Duration::from_secs(left) + Duration::from_secs(60);
        match app.marks.take(state.mark, keep).await {
            Ok(true) => {
                let (parked, process) = (&app.parked, &app.process);
                parked.taken_up(state.node, state.mark, &app.mailboxes, process);
                Ok(state)
            }
            Ok(false) => Err(refused()),
            Err(error) => Err(Answer::unavailable(id, &error)),
        }
    }

    fn open(caller: &Caller, sealed: &str) -> Option<Self> {
        if sealed.len() > MAX_TEXT {
            return None;
        }
        let place = caller.bound().place(PURPOSE, b"");
        let plain = caller.app.sealer.open(sealed, &place)?;
        serde_json::from_slice(&plain).ok()
    }
}

/// One of the answers that a request brings is none.
pub(super) fn malformed(id: &str, key: &str, wrong: &str) -> Answer {
    let key = shortened(key);
    let message = format!("Invalid params: inputResponses[{key:?}] {wrong}");
    Answer::invalid_params(id, &message)
}

/// Equal for requests that ask the same, however they are written.
fn digest(request: &Request) -> String {
    let mut hash = Sha256::new();
    let rest = [b"{", request.rest.as_ref(), b"}"].concat();
    let arguments = request.arguments.as_deref().unwrap_or(b"{}");
    for part in [
        request.method.as_str().as_bytes(),
        request.name.as_deref().unwrap_or_default().as_bytes(),
        canonical(arguments).as_bytes(),
        canonical(&rest).as_bytes(),
    ] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    STANDARD_NO_PAD.encode(hash.finalize())
}

/// The text itself where it cannot be read: then it is equal to itself alone.
pub(super) fn canonical(json: &[u8]) -> String {
    match serde_json::from_slice::<&RawValue>(json) {
        Ok(raw) => domain::canonical_json(raw),
        Err(_) => String::from_utf8_lossy(json).into_owned(),
    }
}

//! What legacy tasks ask. A server of 2025-11-25 asks on the stream on which the task's result is
//! waited for; the extension of 2026-07-28 has the questions in the task's state, and takes answers
//! by `tasks/update`. So the result is waited for in between, as long as the task lives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use domain::KeyId;
use egress::Deadline;
use fabric::{Inputs, Outcome, RpcError};
use mcp::{ClientProfile, codes};

use super::agree::Agreed;
use super::board::{Board, Turn};
use super::outcome::legacy_outcome;
use super::park::Abort;
use super::peer::{Caller, Peer};
use super::related::without_task;
use super::sink::Sink;
use super::tasks::{KEEP_MAX, task_params};

/// Tasks of one server whose results are waited for at once.
const TALKS_MAX: usize = 64;
/// How long a state waits for the questions that it says there are.
const QUESTIONS_WITHIN: Duration = Duration::from_secs(1);

/// Whose a task is, and its id.
type Key = (KeyId, String);

/// The tasks of one server that have something to ask.
#[derive(Default)]
pub(super) struct TaskTalks(Mutex<HashMap<Key, Talk>>);

struct Talk {
    board: Arc<Board>,
    _work: Abort,
}

impl TaskTalks {
    /// Waits for no task any more.
    pub(super) fn end(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Key, Talk>> {
        self.0.lock().expect("no panic while held")
    }
}

impl Peer {
    /// What a task asks, as `inputRequests`; `None` when nothing is known of it yet.
    pub(super) async fn questions_of(
        self: &Arc<Self>,
        id: &str,
        principal: KeyId,
        client: &ClientProfile,
    ) -> Option<Bytes> {
        if !client.capabilities.can_be_asked() {
            return None;
        }
        let board = self.talk(id, principal, client)?;
        match tokio::time::timeout(QUESTIONS_WITHIN, board.turn()).await {
            Ok(Turn::Asked(asked)) => asked.requests,
            Ok(Turn::Ended(_)) | Err(_) => None,
        }
    }

    /// Hands on the answers to what a task asked.
    pub(super) async fn answer_task(
        &self,
        id: &str,
        principal: KeyId,
        inputs: Option<&Inputs>,
        deadline: Deadline,
    ) -> Outcome {
        let key = (principal, id.to_owned());
        let board = self.talks.all().get(&key).map(|talk| talk.board.clone());
        let Some(board) = board.filter(|board| board.session().is_some()) else {
            return refusal("Invalid params: the task asks for nothing");
        };
        let responses = inputs.and_then(|inputs| inputs.responses.as_deref());
        let Ok(answers) = board.answers(responses) else {
            return refusal("Invalid params: inputResponses must be an object of objects");
        };
        if let Some(session) = answers.session {
            for answer in answers.messages {
                let headers = session.headers.clone();
                if let Err(failure) = self.link.transport.notify(answer, headers, deadline).await {
                    return Outcome::Failed(failure);
                }
            }
        }
        Outcome::Result(Bytes::from_static(b"{}"))
    }

    /// The talk with a task, begun when there is none.
    fn talk(
        self: &Arc<Self>,
        id: &str,
        principal: KeyId,
        client: &ClientProfile,
    ) -> Option<Arc<Board>> {
        let key = (principal, id.to_owned());
        let mut talks = self.talks.all();
        if let Some(talk) = talks.get(&key) {
            return Some(talk.board.clone());
        }
        talks.retain(|_, talk| !talk.board.has_ended());
        if talks.len() >= TALKS_MAX {
            return None;
        }
        let client = Arc::new(client.clone());
        let board = Board::new(client.clone(), None, self.config.parked_max_bytes);
        // Weak, because the peer keeps the talk.
        let (peer, params, kept) = (Arc::downgrade(self), task_params(id), board.clone());
        let work = self.tasks().joinable(async move {
            let caller = Caller {
                principal: Some(principal),
                sink: Sink::Board(kept.clone()),
            };
            let Some(peer) = peer.upgrade() else { return };
            let build =
                |agreed: &Agreed| peer.own_request("tasks/result", &params, &client, agreed);
            let outcome = match peer.ask(build, &caller, Deadline::after(KEEP_MAX)).await {
                Ok((_, result)) => legacy_outcome(&without_task(result)),
                Err(trouble) => trouble.into(),
            };
            let orphans = kept.end(outcome);
            peer.hand_on(orphans).await;
        });
        let talk = Talk {
            board: board.clone(),
            _work: Abort(work.abort_handle()),
        };
        talks.insert(key, talk);
        Some(board)
    }
}

fn refusal(message: &str) -> Outcome {
    Outcome::Error(RpcError {
        code: codes::INVALID_PARAMS,
        message: message.to_owned(),
        data: None,
        raw: None,
    })
}

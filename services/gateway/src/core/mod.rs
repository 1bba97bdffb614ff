//! What a message means, whatever carried it here. A transport is an adapter: it says who sends
//! ([`Caller`]) and in which era ([`Client`]), hands each message over, and carries what comes of
//! it ([`Reply`]) back in its own form.

mod anew;
mod answer;
mod asking;
mod call;
mod caller;
mod client;
mod cursor;
mod dispatch;
mod dressing;
mod errors;
mod facts;
mod flight;
mod handshake;
mod input_state;
mod line;
mod listen;
mod live_list;
mod logging;
mod one_way;
mod param_headers;
mod parked;
mod progress;
mod recorded;
mod rounds;
mod routes;
mod running;
mod session;
mod subscribe;
mod task_id;
mod tool_list;
mod trace;

pub(crate) use answer::{Answer, bad_params, of_a_moment};
pub(crate) use caller::Caller;
pub(crate) use client::{Client, LegacyClient, modern_client};
pub(crate) use dispatch::Exchange;
pub(crate) use facts::Carrier;
pub(crate) use flight::Flights;
pub(crate) use handshake::{
    Opened, SessionGone, begin_unagreed, end_for_good, end_session, find, initialize,
    initialize_as, open_on, open_session, take_up,
};
pub(crate) use line::{OF_REQUESTS as MAIL_OF_REQUESTS, of_call as mail_of};
pub(crate) use one_way::{ANSWER_HELD, notification, response};
pub(crate) use parked::{ParkLimits, Parked};
pub(crate) use running::{Ended, Reply, Running, Step};
pub(crate) use session::Session;
pub(crate) use task_id::state as task_state;

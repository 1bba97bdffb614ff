//! How connections end.

use axum::extract::ws::{CloseFrame, Message};
use tokio_tungstenite::tungstenite;

/// Why we close a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// The client said goodbye.
    Normal,
    /// This process ends; the client may come again, to another one.
    GoingAway,
    /// A frame that no message of the protocol can be in.
    BinaryFrame,
    /// Against the framing rules.
    Protocol,
    /// Text that is no UTF-8.
    NotText,
    /// A message larger than allowed.
    TooLarge,
    /// The client reads too slowly, or does not answer pings.
    Unresponsive,
    /// The key was revoked or has expired, or the endpoint is gone.
    Unauthorized,
    /// A fault of ours.
    Internal,
}

impl Close {
    /// The code (RFC 6455 §7.4; 4000 and up are ours).
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::Protocol => 1002,
            Self::BinaryFrame => 1003,
            Self::NotText => 1007,
            Self::TooLarge => 1009,
            Self::Unresponsive => 1008,
            Self::Internal => 1011,
            Self::Unauthorized => 4401,
        }
    }

    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Normal => "",
            Self::GoingAway => "the server ends",
            Self::Protocol => "not a valid frame",
            Self::BinaryFrame => "messages are text",
            Self::NotText => "not UTF-8",
            Self::TooLarge => "the message is too large",
            Self::Unresponsive => "too slow",
            Self::Internal => "internal error",
            Self::Unauthorized => "the credential does not hold any more",
        }
    }

    /// What a fault of the connection means.
    pub(super) fn of(error: axum::Error) -> Self {
        match error.into_inner().downcast_ref::<tungstenite::Error>() {
            Some(tungstenite::Error::Capacity(_)) => Self::TooLarge,
            Some(tungstenite::Error::Utf8(_)) => Self::NotText,
            Some(tungstenite::Error::Protocol(_)) => Self::Protocol,
            // The connection is gone; nobody hears it.
            _ => Self::Normal,
        }
    }

    pub(super) fn frame(self) -> Message {
        Message::Close(Some(CloseFrame {
            code: self.code(),
            reason: self.reason().into(),
        }))
    }
}

//! What is said on a WebSocket, and how it ends.

use async_graphql::{Response as Answer, ServerError};
use axum::extract::ws::{CloseFrame, Message};
use serde::Serialize;
use serde_json::Value;

/// What we say.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Saying<'a> {
    ConnectionAck,
    Next { id: &'a str, payload: &'a Answer },
    Error { id: &'a str, payload: &'a [ServerError] },
    Complete { id: &'a str },
    Pong { payload: Option<Value> },
}

/// Why a conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The other side has ended it, or is gone.
    Gone,
    /// The client asked for it.
    Asked,
    /// The server ends.
    GoingAway,
    /// The client takes answers too slowly; it may come again.
    TooSlow,
    /// Nothing was heard for too long.
    Silent,
    NotTheProtocol,
    Unauthorized,
    /// A token that opens nothing, or the session is over.
    Forbidden,
    NoCommonProtocol,
    InitTooLate,
    SubscriberExists,
    InitTwice,
}

impl End {
    /// None: there is nobody to tell.
    pub(super) fn message(self) -> Option<Message> {
        let (code, reason) = match self {
            Self::Gone => return None,
            Self::Asked => (1000, ""),
            Self::GoingAway => (1001, "Going away; subscribe again after the last position"),
            Self::TooSlow => (1013, "Too slow; subscribe again after the last position"),
            Self::Silent => (1001, "Nothing was heard"),
            Self::NotTheProtocol => (4400, "Invalid message"),
            Self::Unauthorized => (4401, "Unauthorized"),
            Self::Forbidden => (4403, "Forbidden"),
            Self::NoCommonProtocol => (4406, "Subprotocol not acceptable"),
            Self::InitTooLate => (4408, "Connection initialisation timeout"),
            Self::SubscriberExists => (4409, "Subscriber already exists"),
            Self::InitTwice => (4429, "Too many initialisation requests"),
        };
        Some(Message::Close(Some(CloseFrame { code, reason: reason.into() })))
    }
}

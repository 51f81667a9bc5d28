//! Subscriptions over a WebSocket, by the protocol `graphql-transport-ws`.

mod conversation;
mod message;

use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use web::{ApiError, Place, Session};

use crate::State;
use conversation::Conversation;

/// The name of the protocol.
const PROTOCOL: &str = "graphql-transport-ws";
/// The longest message of a client, in bytes; as long as the body of a request.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
const RETRY_AFTER_SECONDS: u32 = 5;

pub(super) fn open(
    state: State,
    session: Option<Session>,
    place: Option<Place>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let Ok(subscriber) = state.places.clone().try_acquire_owned() else {
        return Err(ApiError::unavailable(RETRY_AFTER_SECONDS));
    };
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(async move |socket| {
        Conversation::new(state, session, socket).hold().await;
        drop((subscriber, place));
    }))
}

//! Answers as a stream of server-sent events, for whoever sends `Accept: text/event-stream`: `next`
//! with each answer, `complete` at the end; the protocol of `graphql-sse` with one connection for
//! each operation. The `id` of an event is the position in it, where it is asked for, so a browser
//! that reconnects goes on from there.

use std::convert::Infallible;

use async_graphql::{Request, Response as Answer, Value};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use domain::Position;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::ReceiverStream;
use web::{ApiError, Session};

use super::error::Code;
use super::handler::header;
use super::request;
use crate::State;

/// So many events may wait for a client to take them.
const WAITING_MAX: usize = 8;
const RETRY_AFTER_SECONDS: u32 = 5;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(super) fn are_asked_for(headers: &HeaderMap) -> bool {
    header(headers, &header::ACCEPT).is_some_and(|kinds| kinds.contains("text/event-stream"))
}

pub(super) fn open(
    state: &State,
    session: Option<Session>,
    headers: &HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    let Ok(place) = state.places.clone().try_acquire_owned() else {
        return Err(ApiError::unavailable(RETRY_AFTER_SECONDS));
    };
    let seen: Option<Position> = header(headers, &LAST_EVENT_ID).and_then(|text| text.parse().ok());
    let answers = request::answers(state, session, seen, request);
    let (events, taken) = mpsc::channel(WAITING_MAX);
    let (end, ended) = oneshot::channel();
    let telling = Telling { state: state.clone(), session, events, _place: place };
    tokio::spawn(async move {
        let why = telling.tell(answers).await;
        // Whoever is gone need not know.
        let _untold = end.send(last_event(why));
    });
    let last = stream::once(ended.map(Result::ok)).filter_map(std::future::ready);
    let all = ReceiverStream::new(taken).chain(last).map(Ok::<_, Infallible>);
    let sse = Sse::new(all).keep_alive(KeepAlive::new().interval(state.limits.check_every));
    Ok(sse.into_response())
}

/// Why there are no more events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Failed(Code),
    /// Nobody listens any more.
    Gone,
}

struct Telling {
    state: State,
    session: Option<Session>,
    events: mpsc::Sender<Event>,
    _place: OwnedSemaphorePermit,
}

impl Telling {
    async fn tell(self, mut answers: BoxStream<'static, Answer>) -> End {
        let mut checks = interval(self.state.limits.check_every);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let answer = tokio::select! {
                answer = answers.next() => answer,
                () = self.state.shutdown.cancelled() => return End::Failed(Code::GoingAway),
                () = self.events.closed() => return End::Gone,
                _ = checks.tick() => {
                    if !self.is_still_open().await {
                        return End::Failed(Code::Unauthenticated);
                    }
                    continue;
                }
            };
            let Some(answer) = answer else { return End::Complete };
            match timeout(self.state.limits.taken_within, self.events.send(event(&answer))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return End::Gone,
                Err(_) => return End::Failed(Code::TooSlow),
            }
        }
    }

    async fn is_still_open(&self) -> bool {
        match &self.session {
            Some(session) => self.state.web.is_open(session).await,
            None => true,
        }
    }
}

fn event(answer: &Answer) -> Event {
    let text = serde_json::to_string(answer).unwrap_or_default();
    let event = Event::default().event("next").data(text);
    match position(&answer.data) {
        Some(position) => event.id(position),
        None => event,
    }
}

/// `{"ticketChanged": {"position": …}}`
fn position(data: &Value) -> Option<String> {
    let Value::Object(fields) = data else { return None };
    let Some(Value::Object(change)) = fields.values().next() else { return None };
    let Some(Value::String(text)) = change.get("position") else { return None };
    text.parse::<Position>().ok().map(|position| position.to_string())
}

fn last_event(end: End) -> Event {
    let event = Event::default();
    match end {
        End::Complete | End::Gone => event.event("complete").data(""),
        End::Failed(code) => {
            let error = json!({"errors": [code.as_json()]});
            event.event("error").data(error.to_string())
        }
    }
}

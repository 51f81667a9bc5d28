//! One WebSocket, from its first message to its end.

use std::time::Duration;

use async_graphql::http::ClientMessage;
use async_graphql::{Request, Response as Answer};
use axum::extract::ws::{Message, WebSocket};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde_json::Value;
use tokio::time::{Interval, MissedTickBehavior, interval_at, timeout};
use tokio_stream::StreamMap;
use web::Session;

use super::message::{End, Saying};
use crate::State;
use crate::graphql::error::{self, Code};
use crate::graphql::request;

/// How long the last message may take to be sent: one who was too slow may wake up.
const FAREWELL_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct Conversation {
    state: State,
    /// By the cookie of the request; a token in the first message takes its place.
    session: Option<Session>,
    socket: WebSocket,
    /// By the id that the client has given each. None after the last answer.
    answers: StreamMap<String, BoxStream<'static, Option<Answer>>>,
    checks: Interval,
    /// Something was heard since the last check.
    heard: bool,
}

impl Conversation {
    pub(super) fn new(state: State, session: Option<Session>, socket: WebSocket) -> Self {
        let every = state.limits.check_every;
        let mut checks = interval_at(tokio::time::Instant::now() + every, every);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { state, session, socket, answers: StreamMap::new(), checks, heard: true }
    }

    pub(super) async fn hold(mut self) {
        let end = match self.begin().await {
            Ok(()) => self.go_on().await,
            Err(end) => end,
        };
        // What was subscribed to ends at once, and not when the farewell has been taken.
        self.answers.clear();
        if let Some(farewell) = end.message() {
            let _unheard = timeout(FAREWELL_WITHIN, self.socket.send(farewell)).await;
        }
        tracing::debug!(?end, "a WebSocket ended");
    }

    /// Until the client has said who it is.
    async fn begin(&mut self) -> Result<(), End> {
        if self.socket.protocol().is_none() {
            return Err(End::NoCommonProtocol);
        }
        let within = self.state.limits.init_within;
        let shutdown = self.state.shutdown.clone();
        let payload = tokio::select! {
            greeted = timeout(within, self.greeted()) => greeted.map_err(|_| End::InitTooLate)??,
            () = shutdown.cancelled() => return Err(End::GoingAway),
        };
        if let Some(token) = token(&payload) {
            let session = self.state.web.signed_in_by(token).await;
            self.session = Some(session.ok_or(End::Forbidden)?);
        }
        self.say(&Saying::ConnectionAck).await
    }

    async fn greeted(&mut self) -> Result<Value, End> {
        loop {
            match self.heard().await? {
                Some(ClientMessage::ConnectionInit { payload }) => {
                    return Ok(payload.unwrap_or_default());
                }
                Some(ClientMessage::Ping { payload }) => {
                    self.say(&Saying::Pong { payload }).await?;
                }
                None | Some(ClientMessage::Pong { .. }) => {}
                Some(ClientMessage::Start { .. } | ClientMessage::Stop { .. }) => {
                    return Err(End::Unauthorized);
                }
                Some(ClientMessage::ConnectionTerminate) => return Err(End::Asked),
            }
        }
    }

    /// The next message; none for one that says nothing.
    async fn heard(&mut self) -> Result<Option<ClientMessage>, End> {
        let received = self.socket.recv().await;
        read(received)
    }

    async fn go_on(&mut self) -> End {
        let shutdown = self.state.shutdown.clone();
        loop {
            let step = tokio::select! {
                received = self.socket.recv() => match read(received) {
                    Ok(message) => self.take(message).await,
                    Err(end) => Err(end),
                },
                Some((id, answer)) = self.answers.next() => self.tell(&id, answer).await,
                _ = self.checks.tick() => self.check().await,
                () = shutdown.cancelled() => Err(End::GoingAway),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn take(&mut self, message: Option<ClientMessage>) -> Result<(), End> {
        self.heard = true;
        match message {
            None | Some(ClientMessage::Pong { .. }) => Ok(()),
            Some(ClientMessage::Ping { payload }) => self.say(&Saying::Pong { payload }).await,
            Some(ClientMessage::ConnectionInit { .. }) => Err(End::InitTwice),
            Some(ClientMessage::ConnectionTerminate) => Err(End::Asked),
            Some(ClientMessage::Stop { id }) => {
                self.answers.remove(&id);
                Ok(())
            }
            Some(ClientMessage::Start { id, payload }) => self.start(id, payload).await,
        }
    }

    async fn start(&mut self, id: String, request: Request) -> Result<(), End> {
        if self.answers.contains_key(&id) {
            return Err(End::SubscriberExists);
        }
        let most = self.state.limits.per_connection_max;
        if self.answers.len() >= most {
            let refused = format!("At most {most} at once on one connection");
            let errors = [error::server(Code::TooManySubscriptions, refused)];
            return self.say(&Saying::Error { id: &id, payload: &errors }).await;
        }
        let answers = request::answers(&self.state, self.session, None, request);
        let answers = answers.map(Some).chain(stream::iter([None]));
        self.answers.insert(id, answers.boxed());
        Ok(())
    }

    async fn tell(&mut self, id: &str, answer: Option<Answer>) -> Result<(), End> {
        match answer {
            Some(answer) if request::is_refused(&answer) => {
                self.answers.remove(id);
                self.say(&Saying::Error { id, payload: &answer.errors }).await
            }
            Some(answer) => self.say(&Saying::Next { id, payload: &answer }).await,
            None => {
                self.answers.remove(id);
                self.say(&Saying::Complete { id }).await
            }
        }
    }

    /// Whether the client is there, and whether its session is open.
    async fn check(&mut self) -> Result<(), End> {
        if !std::mem::take(&mut self.heard) {
            return Err(End::Silent);
        }
        if let Some(session) = &self.session
            && !self.state.web.is_open(session).await
        {
            return Err(End::Forbidden);
        }
        self.send(Message::Ping(Vec::new().into())).await
    }

    async fn say(&mut self, saying: &Saying<'_>) -> Result<(), End> {
        let text = serde_json::to_string(saying).map_err(|error| {
            tracing::error!("an answer cannot be written: {error}");
            End::Gone
        })?;
        self.send(Message::Text(text.into())).await
    }

    /// One who does not take what is sent holds up nobody else.
    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(self.state.limits.taken_within, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::TooSlow),
        }
    }
}

fn read(received: Option<Result<Message, axum::Error>>) -> Result<Option<ClientMessage>, End> {
    match received {
        None | Some(Err(_) | Ok(Message::Close(_))) => Err(End::Gone),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => Err(End::NotTheProtocol),
        Some(Ok(Message::Text(text))) => {
            ClientMessage::from_bytes(text.as_str()).map(Some).map_err(|_| End::NotTheProtocol)
        }
    }
}

/// `{"authorization": "Bearer …"}`
fn token(payload: &Value) -> Option<&str> {
    let text = payload.get("authorization").or_else(|| payload.get("Authorization"))?.as_str();
    let text = text.unwrap_or_default();
    let (scheme, token) = text.split_once(' ').unwrap_or(("", text));
    Some(if scheme.eq_ignore_ascii_case("bearer") { token.trim() } else { text })
}

//! A client of `graphql-transport-ws`.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

use crate::support::Visitor;

const WITHIN: Duration = Duration::from_secs(20);

pub(super) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What a subscription is told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    Next(Value),
    Error(Value),
    Complete,
}

impl Socket {
    pub(super) fn request(visitor: &Visitor) -> Request {
        let url = format!("{}/graphql", visitor.url.replace("http://", "ws://"));
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().extend(visitor.headers.clone());
        let protocol = "graphql-transport-ws".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        request
    }

    pub(super) async fn open(visitor: &Visitor) -> Self {
        Self::with(Self::request(visitor)).await
    }

    /// One for whom the system holds little that it has not read yet.
    pub(super) async fn greeted_and_narrow(visitor: &Visitor) -> Self {
        let narrow = TcpSocket::new_v4().unwrap();
        narrow.set_recv_buffer_size(8 * 1024).unwrap();
        let address = visitor.url.trim_start_matches("http://").parse().unwrap();
        let stream = MaybeTlsStream::Plain(narrow.connect(address).await.unwrap());
        let (stream, _) = client_async(Self::request(visitor), stream).await.unwrap();
        let mut socket = Self { stream };
        socket.greet().await;
        socket
    }

    pub(super) async fn with(request: Request) -> Self {
        let (stream, _) = connect_async(request).await.unwrap();
        Self { stream }
    }

    pub(super) async fn greeted(visitor: &Visitor) -> Self {
        let mut socket = Self::open(visitor).await;
        socket.greet().await;
        socket
    }

    async fn greet(&mut self) {
        self.say(&json!({"type": "connection_init"})).await;
        assert_eq!(self.said().await, json!({"type": "connection_ack"}));
    }

    pub(super) async fn say(&mut self, message: &Value) {
        self.stream.send(Message::Text(message.to_string().into())).await.unwrap();
    }

    pub(super) async fn subscribe(&mut self, id: &str, request: &Value) {
        self.say(&json!({"type": "subscribe", "id": id, "payload": request})).await;
    }

    /// Until everything that was said before has been taken in, and what it led to at once is done.
    pub(super) async fn ping(&mut self) {
        for _ in 0..2 {
            self.say(&json!({"type": "ping"})).await;
            assert_eq!(self.said().await["type"], "pong");
        }
    }

    /// The next message of the server.
    pub(super) async fn said(&mut self) -> Value {
        loop {
            let frame = self.frame().await;
            if let Message::Text(text) = &frame {
                return serde_json::from_str(text).unwrap();
            }
            assert!(frame.is_ping() || frame.is_pong(), "{frame:?}");
        }
    }

    pub(super) async fn heard(&mut self, id: &str) -> Heard {
        let mut said = self.said().await;
        assert_eq!(said["id"], id, "{said}");
        let payload = said["payload"].take();
        match said["type"].as_str().unwrap() {
            "next" => Heard::Next(payload),
            "error" => Heard::Error(payload),
            "complete" => Heard::Complete,
            other => panic!("{other}"),
        }
    }

    /// The data of the next answer.
    pub(super) async fn next(&mut self, id: &str) -> Value {
        let heard = self.heard(id).await;
        let Heard::Next(mut payload) = heard else { panic!("{heard:?}") };
        assert_eq!(payload.get("errors"), None);
        payload["data"].take()
    }

    pub(super) async fn next_of_any(&mut self) -> (String, Value) {
        let mut said = self.said().await;
        assert_eq!(said["type"], "next", "{said}");
        (said["id"].as_str().unwrap().to_owned(), said["payload"]["data"].take())
    }

    pub(super) async fn until(&mut self, enough: impl Fn(&Value) -> bool) {
        while !enough(&self.next_of_any().await.1) {}
    }

    /// The code with which the server ends it, whatever it says before.
    pub(super) async fn until_closed(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.frame().await {
                return frame.unwrap().code.into();
            }
        }
    }

    async fn frame(&mut self) -> Message {
        let frame = timeout(WITHIN, self.stream.next()).await.expect("something is said");
        frame.expect("the connection goes on").unwrap()
    }
}

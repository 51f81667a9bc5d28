//! Whatever arrives at the port, the server stays up.

use std::time::{Duration, Instant};

use embedded_log::testing::TestLog;
use eventstore::StreamState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Server, append, events, soon, stream};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[tokio::test]
async fn bytes_that_are_no_protocol_leave_the_server_standing() {
    let Some(server) = Server::ours("it is not for us to disturb another server").await else {
        return;
    };
    for seed in 0..20_u8 {
        let mut socket = TcpStream::connect(server.authority()).await.unwrap();
        let noise = (0..=u8::MAX).map(|at| seed.wrapping_mul(31).wrapping_add(at ^ seed));
        let start = if seed % 2 == 0 { PREFACE } else { b"" };
        let bytes: Vec<u8> = start.iter().copied().chain(noise).collect();
        // The server may hang up in the middle; what counts is that it stays up.
        let _ = socket.write_all(&bytes).await;
        let _ = socket.shutdown().await;
        let mut rest = Vec::new();
        let _ = soon("the server hangs up", socket.read_to_end(&mut rest)).await;
    }
    append(&server.client, &stream("s"), StreamState::NoStream, events(0..1)).await.unwrap();
}

#[tokio::test]
async fn who_says_nothing_or_half_of_it_is_let_go_and_who_has_begun_stays() {
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    const PING: &[u8] = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let plain = TestLog::start().await;
    let guarded = TestLog::start_guarded().await;
    let connect = async |log: &TestLog, bytes: &[u8]| {
        let mut socket = TcpStream::connect(log.address()).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        socket
    };
    let mut begun = connect(&plain, &[PREFACE, SETTINGS].concat()).await;
    // The start of a record of TLS that holds a greeting of 512 bytes, of which none come.
    let half_a_greeting = &[22, 3, 1, 2, 0, 1, 0, 1, 252];
    let started = Instant::now();
    for mut silent in [
        connect(&plain, b"").await,
        connect(&plain, &PREFACE[..PREFACE.len() - 1]).await,
        connect(&guarded, b"").await,
        connect(&guarded, half_a_greeting).await,
    ] {
        let mut answer = Vec::new();
        let _ = soon("the server hangs up", silent.read_to_end(&mut answer)).await;
    }
    let waited = started.elapsed();
    assert!(waited > Duration::from_secs(4), "slow peers get their time: {waited:?}");

    begun.write_all(PING).await.unwrap();
    let mut heard = Vec::new();
    while !heard.windows(8).any(|bytes| bytes == &PING[9..]) {
        let read = soon("the ping comes back", begun.read_buf(&mut heard)).await.unwrap();
        assert!(read > 0, "the server hung up on a peer that speaks the protocol");
    }
}

#[tokio::test]
async fn messages_that_are_no_messages_are_refused() {
    use crate::proto::event_store::client::Uuid as Nonsense;
    let Some(server) = Server::ours("it is not for us to disturb another server").await else {
        return;
    };
    let wire = server.wire().await;
    // Its fields have the numbers of others, with types that do not fit them.
    let nonsense = || Nonsense {
        value: Some(crate::proto::event_store::client::uuid::Value::String("\u{1}\u{7f}".into())),
    };
    for method in ["Read", "Append", "Delete", "Tombstone", "BatchAppend"] {
        let method = format!("event_store.client.streams.Streams/{method}");
        let refused = wire.call::<Nonsense, Nonsense>(&method, vec![nonsense()]).await;
        assert!(refused.is_err(), "{method}");
    }
    append(&server.client, &stream("s"), StreamState::NoStream, events(0..1)).await.unwrap();
}

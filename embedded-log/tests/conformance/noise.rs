//! Whatever arrives at the port, the server stays up.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use eventstore::StreamState;

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

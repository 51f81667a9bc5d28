//! A crowd that takes every connection there is, while the store needs files of its own.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::child::{Victim, after, append, numbers, sized_event, soon};

/// What the server may open at a time; a shell and many service managers allow 1,024.
const FILES: usize = 200;
/// The first words of HTTP/2, and settings without any: whoever says this stays.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Enough that the store begins new journals and tables.
const APPENDS: u64 = 24;
const EVENTS_PER_APPEND: u64 = 8;
const EVENT_BYTES: usize = 256 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_leave_the_store_the_files_it_needs() {
    let directory = tempfile::tempdir().unwrap();
    let few = format!("ulimit -n {FILES}; exec \"$0\" \"$@\"");
    let victim = Victim::start_under(directory.path(), &["sh", "-c", &few]).await;
    let client = victim.connect();
    append(&client, "s", after(0), vec![sized_event(0, 8)]).await.unwrap();
    let mut crowd = Vec::new();
    while let Some(inside) = soon("to be let in or not", enter(victim.address())).await {
        crowd.push(inside);
        assert!(crowd.len() < FILES, "nobody is turned away");
    }
    assert!(crowd.len() >= FILES / 4, "{} got in", crowd.len());

    let mut length = 1;
    for _ in 0..APPENDS {
        let events = (length..length + EVENTS_PER_APPEND).map(|n| sized_event(n, EVENT_BYTES));
        append(&client, "s", after(length), events.collect()).await.unwrap();
        length += EVENTS_PER_APPEND;
    }
    assert_eq!(numbers(&client, "s").await, (0..length).collect::<Vec<_>>());
}

/// A connection on which the server speaks; none if it hangs up.
async fn enter(address: &str) -> Option<TcpStream> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(GREETING).await.ok()?;
    let heard = socket.read_u8().await;
    heard.is_ok().then_some(socket)
}

//! Bytes that are no protocol, and messages that are well-formed but make no sense: nothing panics,
//! nothing hangs, and the log serves as before.
//!
//! `LOG_FUZZ_CALLS=100000 cargo test -p embedded-log --test fuzz` tries more than the default;
//! `LOG_FUZZ_SEED` repeats a run by the seed it printed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what fails here fails the test, which is its use"
)]
#![allow(clippy::print_stdout, reason = "the seed is what repeats a failure")]

mod nonsense;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use embedded_log::testing::TestLog;
use eventstore::{AppendToStreamOptions, Client, EventData, ReadStreamOptions};
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use uuid::Uuid;

use crate::nonsense::{Call, Nonsense};

const CALLS: usize = 1_500;
/// Calls under way at a time.
const CALLS_AT_A_TIME: usize = 32;
/// Connections that do not speak the protocol.
const CONNECTIONS: usize = 150;
/// A call that says nothing for so long is a subscription, or waits for more to come.
const SILENCE: Duration = Duration::from_millis(100);
/// How long anything that must happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn number(name: &str) -> Option<u64> {
    #[allow(clippy::disallowed_methods, reason = "says how long the test may take")]
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Counts panics in any thread, ours or the server's.
fn count_panics() -> Arc<AtomicUsize> {
    let panics = Arc::new(AtomicUsize::new(0));
    let (count, usual) = (Arc::clone(&panics), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        count.fetch_add(1, Ordering::Relaxed);
        usual(panic);
    }));
    panics
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_can_be_sent_makes_the_server_panic_or_hang() {
    let seed = number("LOG_FUZZ_SEED").unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0);
    println!("LOG_FUZZ_SEED={seed}");
    let panics = count_panics();
    let mut log = TestLog::start().await;
    serves(&log).await;

    let connections = (0..CONNECTIONS as u64).map(|number| {
        let bytes = nonsense::connection(&mut Nonsense::new(seed ^ number));
        send_bytes(&log, bytes)
    });
    let connections: Vec<_> = connections.collect();
    futures::stream::iter(connections).buffer_unordered(CALLS_AT_A_TIME).collect::<Vec<()>>().await;
    assert_eq!(panics.load(Ordering::Relaxed), 0, "by bytes");
    serves(&log).await;

    let channel = Endpoint::from_shared(format!("http://{}", log.address())).unwrap();
    let channel = channel.connect().await.unwrap();
    let calls = number("LOG_FUZZ_CALLS").map_or(CALLS as u64, |calls| calls);
    futures::stream::iter(0..calls)
        .map(|number| {
            let mut nonsense = Nonsense::new(seed.wrapping_add(number << 20));
            call(channel.clone(), nonsense::call(&mut nonsense))
        })
        .buffer_unordered(CALLS_AT_A_TIME)
        .for_each(|()| async {})
        .await;
    serves(&log).await;
    assert_eq!(panics.load(Ordering::Relaxed), 0, "by messages");

    // What nonsense was written is a log like any other.
    log.restart().await;
    serves(&log).await;
    log.stop().await;
    let directory = log.directory().to_owned();
    let verified =
        tokio::task::spawn_blocking(move || embedded_log::verify(&directory, &mut |_| {}));
    let extent = verified.await.unwrap().unwrap();
    println!("{} events were written", extent.events);
    assert!(extent.events > 20, "some of it makes sense");
    assert_eq!(panics.load(Ordering::Relaxed), 0);
}

/// That a client can write and read.
async fn serves(log: &TestLog) {
    let client = Client::new(log.connection_string().parse().unwrap()).unwrap();
    let stream = format!("proper-{}", Uuid::new_v4());
    let served = async {
        let event = EventData::binary("Proper", Bytes::from_static(b"data")).id(Uuid::new_v4());
        client.append_to_stream(&*stream, &AppendToStreamOptions::default(), event).await.unwrap();
        let mut read = client.read_stream(&*stream, &ReadStreamOptions::default()).await.unwrap();
        let event = read.next().await.unwrap().unwrap();
        assert_eq!(&event.get_original_event().data[..], b"data");
    };
    tokio::time::timeout(PATIENCE, served).await.expect("the server serves in time");
}

async fn send_bytes(log: &TestLog, bytes: Vec<u8>) {
    let address = log.address();
    let sent = async move {
        let mut socket = TcpStream::connect(address).await.unwrap();
        // The server may have had enough before all is sent.
        let _ = socket.write_all(&bytes).await;
        let mut answer = vec![0; 4096];
        while let Ok(Ok(1..)) = tokio::time::timeout(SILENCE, socket.read(&mut answer)).await {}
    };
    tokio::time::timeout(PATIENCE, sent).await.expect("a connection ends");
}

/// Makes one call and reads some of its answers.
async fn call(channel: Channel, call: Call) {
    let Call { path, messages, well_formed } = call;
    // Clients take these for a broken server, and connect anew.
    let check = move |status: &Status| {
        let broken = [Code::Internal, Code::Unknown, Code::DataLoss].contains(&status.code());
        assert!(!(well_formed && broken), "{status:?}");
    };
    let called = async move {
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await.unwrap();
        let request = Request::new(futures::stream::iter(messages));
        let answering = client.streaming(request, path.parse().unwrap(), Raw);
        // A call that waits for a live subscription's first event has confirmed by then.
        let Ok(answers) = tokio::time::timeout(SILENCE, answering).await else { return };
        let mut answers = match answers {
            Ok(answers) => answers.into_inner(),
            Err(status) => return check(&status),
        };
        for _ in 0..200 {
            match tokio::time::timeout(SILENCE, answers.message()).await {
                Ok(Ok(Some(_))) => {}
                Ok(Err(status)) => return check(&status),
                Ok(Ok(None)) | Err(_) => return,
            }
        }
    };
    tokio::time::timeout(PATIENCE, called).await.expect("a call ends");
}

/// Messages as the bytes they are.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

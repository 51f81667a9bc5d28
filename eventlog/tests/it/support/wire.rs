use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// A wire to the log that can lose the log's answers, as a network does at the worst moment.
pub(crate) struct Wire {
    address: SocketAddr,
    state: Arc<State>,
    end: CancellationToken,
}

#[derive(Default)]
struct State {
    losing: AtomicBool,
    lost: AtomicU32,
    /// Connections made before this one's number are silent.
    silent_before: AtomicU32,
    connections: AtomicU32,
    carried: AtomicUsize,
}

impl Wire {
    pub(crate) async fn to(log: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let end = CancellationToken::new();
        tokio::spawn(end.clone().run_until_cancelled_owned(accept(listener, log, state.clone())));
        Self { address, state, end }
    }

    pub(crate) fn connection_string(&self) -> String {
        format!("kurrentdb://{}?tls=false", self.address)
    }

    /// The next answer of the log is swallowed and its connection cut; those after it pass.
    pub(crate) fn lose_the_next_answer(&self) {
        self.state.losing.store(true, Ordering::SeqCst);
    }

    /// The connections there are carry nothing any more, without being closed; later ones do.
    pub(crate) fn silence(&self) {
        let made = self.state.connections.load(Ordering::SeqCst);
        self.state.silent_before.store(made, Ordering::SeqCst);
    }

    /// How many bytes of answers came through.
    pub(crate) fn carried(&self) -> usize {
        self.state.carried.load(Ordering::SeqCst)
    }

    /// How many connections were cut.
    pub(crate) fn lost(&self) -> u32 {
        self.state.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

async fn accept(listener: TcpListener, log: SocketAddr, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(log).await else { continue };
        let number = state.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(carry(client, server, number, state.clone()));
    }
}

async fn carry(client: TcpStream, server: TcpStream, number: u32, state: Arc<State>) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        () = answers(from_server, to_client, number, &state) => {}
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, number: u32, state: &State) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        // Answers bring data; short frames such as settings and window updates pass.
        let is_answer = count > 40;
        if is_answer && state.losing.swap(false, Ordering::SeqCst) {
            state.lost.fetch_add(1, Ordering::SeqCst);
            return;
        }
        if number < state.silent_before.load(Ordering::SeqCst) {
            continue;
        }
        state.carried.fetch_add(count, Ordering::SeqCst);
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

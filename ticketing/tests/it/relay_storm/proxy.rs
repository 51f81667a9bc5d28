//! Stands between relays and NATS, and loses what NATS answers when it is told to.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(super) struct Proxy {
    url: String,
    losing: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Proxy {
    pub(super) async fn before(nats: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let nats = nats.trim_start_matches("nats://").to_owned();
        let (losing, lost) = watch::channel(false);
        let serving = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                tokio::spawn(carry(client, nats.clone(), lost.clone()));
            }
        });
        Self { url, losing, serving }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What is sent meanwhile reaches NATS, but no answer comes back; then the connections break.
    pub(super) async fn lose_answers(&self, time: Duration) {
        self.losing.send_replace(true);
        tokio::time::sleep(time).await;
        self.losing.send_replace(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn carry(client: TcpStream, nats: String, mut losing: watch::Receiver<bool>) {
    let Ok(server) = TcpStream::connect(nats).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        let _broken = tokio::io::copy(&mut from_client, &mut to_server).await;
    };
    let back = async {
        let (mut buffer, mut lost) = (vec![0; 64 * 1024], false);
        loop {
            let count = tokio::select! {
                read = from_server.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(count) => count,
                },
                _changed = losing.changed() => {
                    // A connection from which something is missing is of no use any more.
                    if lost && !*losing.borrow() {
                        return;
                    }
                    continue;
                }
            };
            if *losing.borrow() {
                lost = true;
            } else if to_client.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}

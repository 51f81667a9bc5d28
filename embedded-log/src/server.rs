//! The server: opens the log, serves it until told to end, closes it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;

use crate::control::Control;
use crate::credentials::Credentials;
use crate::files;
use crate::http2;
use crate::limits::{
    CONNECTIONS_FILES_SHARE, CONNECTIONS_MAX, MESSAGE_BYTES_MAX, STOP_SECONDS_MAX,
};
use crate::observe::observe;
use crate::proto::gossip::gossip_server::GossipServer;
use crate::proto::server_features::server_features_server::ServerFeaturesServer;
use crate::proto::streams::streams_server::StreamsServer;
use crate::rpc::{Features, Node, StreamsService, unimplemented};
use crate::socket;
use crate::store::{OpenError, Store};
use crate::tls::Tls;

/// Where the log lies and how clients find it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Holds the log; created if need be. One server at a time.
    pub directory: PathBuf,
    /// `host:port` told to clients that discover their node; by default the address bound, or
    /// 127.0.0.1 where every address is bound.
    pub advertised: Option<String>,
    /// Serve by TLS only.
    pub tls: Option<Tls>,
    /// Let only these users in. Without TLS, everybody on the way can read the passwords.
    pub credentials: Option<Credentials>,
    /// Connections at a time; one more is turned away. By default 4,096, or half of the files that
    /// the process may open, so that there are always some left for the store.
    pub connections_max: usize,
}

impl Options {
    /// A log in `directory`, everything else by default.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            advertised: None,
            tls: None,
            credentials: None,
            connections_max: files::share(CONNECTIONS_FILES_SHARE, CONNECTIONS_MAX),
        }
    }
}

/// Why a server ended other than by being told to, or could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener has no address.
    #[error("the listener's address cannot be told: {0}")]
    Listener(#[source] std::io::Error),
    /// The advertised address is not `host:port`.
    #[error("the advertised address {0:?} is not of the form host:port")]
    Advertised(String),
}

/// An open log that is not served yet.
pub struct Server {
    store: Store,
    options: Options,
}

impl Server {
    /// Locks the directory and recovers the log in it. Blocks on the disk.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let store = Store::open(&options.directory)?;
        Ok(Self { store, options })
    }

    /// Serves until `shutdown` resolves. Then no new calls are taken, subscriptions end with
    /// UNAVAILABLE, what was accepted is written and answered, and the log is closed.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let control = Control::bind(&self.options.directory)
            .map(|control| tokio::spawn(control.serve(self.store.clone())));
        let observing = tokio::spawn(observe(self.store.clone()));
        let served = serve(&self.store, self.options, listener, shutdown).await;
        self.store.close().await;
        if let Some(control) = control {
            // It ends with the store; by now, or as soon as its call is over.
            let _ = control.await;
        }
        let _ = observing.await;
        served
    }
}

async fn serve(
    store: &Store,
    options: Options,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let bound = listener.local_addr().map_err(ServeError::Listener)?;
    let node = advertised_node(options.advertised, bound)?;
    let closing = store.closing().clone();
    let begin_closing = closing.clone();
    let incoming = socket::accept(listener, options.tls, options.connections_max);
    let serving = http2::serve(routes(store, node, options.credentials), incoming, async move {
        shutdown.await;
        begin_closing.cancel();
    });
    let overdue = async {
        closing.cancelled().await;
        tokio::time::sleep(Duration::from_secs(STOP_SECONDS_MAX)).await;
    };
    tokio::select! {
        () = serving => {}
        () = overdue => {
            tracing::warn!("calls were still open {STOP_SECONDS_MAX} s after the stop began");
        }
    }
    Ok(())
}

/// Only what touches the log asks who is there: clients make the calls that find a node without
/// their credentials.
fn routes(store: &Store, node: Node, credentials: Option<Credentials>) -> Routes {
    let streams = StreamsServer::new(StreamsService { store: store.clone() })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(usize::MAX);
    let streams = match credentials {
        Some(credentials) => Routes::new(InterceptedService::new(streams, credentials)),
        None => Routes::new(streams),
    };
    let router = streams
        .add_service(ServerFeaturesServer::new(Features))
        .add_service(GossipServer::new(node))
        .into_axum_router()
        .fallback(unimplemented);
    Routes::from(router)
}

fn advertised_node(advertised: Option<String>, bound: SocketAddr) -> Result<Node, ServeError> {
    let Some(text) = advertised else {
        let host = if bound.ip().is_unspecified() {
            "127.0.0.1".to_owned()
        } else {
            bound.ip().to_string()
        };
        return Ok(Node::new(host, bound.port()));
    };
    let parsed = text
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
        .filter(|(host, _)| !host.is_empty());
    match parsed {
        Some((host, port)) => Ok(Node::new(host.to_owned(), port)),
        None => Err(ServeError::Advertised(text)),
    }
}

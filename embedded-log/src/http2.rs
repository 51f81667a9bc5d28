//! HTTP/2 on the connections.
//!
//! By hyper itself: the server that comes with tonic leaves what a call buffers of its answers at
//! hyper's 400 KiB, and so a thousand subscribers who catch up at 400 MiB.

use std::convert::Infallible;
use std::time::Duration;

use futures::{Stream, StreamExt};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http2;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;

use crate::limits::{CALL_ANSWERS_BYTES_MAX, CALLS_PER_CONNECTION_MAX};
use crate::socket::Connection;

/// Flow-control windows, wide enough that a reader on the same machine is never held up by them.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// A client that does not answer a ping for this long is gone.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// In which a client says how long it waits for the answer.
const TIMEOUT_HEADER: &str = "grpc-timeout";

/// Answers calls on the connections that come in until `shutdown`, and then those under way.
pub(crate) async fn serve(
    routes: Routes,
    incoming: impl Stream<Item = Connection>,
    shutdown: impl Future<Output = ()>,
) {
    let protocol = protocol();
    let routes = TowerToHyperService::new(routes.prepare());
    let connections = GracefulShutdown::new();
    let accepting = incoming.for_each(|connection| {
        let routes = routes.clone();
        let calls = service_fn(move |call: Request<Incoming>| answer(&routes, call.map(Body::new)));
        let served = protocol.serve_connection(TokioIo::new(connection), calls);
        let served = connections.watch(served);
        tokio::spawn(async move {
            if let Err(error) = served.await {
                // A client that went away, or spoke something else.
                tracing::debug!("a connection ended: {error}");
            }
        });
        std::future::ready(())
    });
    tokio::select! {
        () = accepting => {}
        () = shutdown => {}
    }
    connections.shutdown().await;
}

fn protocol() -> http2::Builder<TokioExecutor> {
    let mut protocol = http2::Builder::new(TokioExecutor::new());
    protocol
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(CALLS_PER_CONNECTION_MAX)
        .max_send_buf_size(CALL_ANSWERS_BYTES_MAX)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE);
    protocol
}

/// The answer, or that it did not begin in the time the client gives it. What has begun to answer may
/// take as long as it likes: it is a subscription, or a client that reads slowly.
fn answer<S>(
    routes: &S,
    call: Request<Body>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let patience = patience(call.headers());
    let answered = routes.call(call);
    async move {
        let Some(patience) = patience else { return answered.await };
        tokio::time::timeout(patience, answered)
            .await
            .unwrap_or_else(|_| Ok(Status::deadline_exceeded("Timeout expired").into_http()))
    }
}

/// How long the client waits, as gRPC writes it: up to eight digits and a unit. `None` for ever, or
/// if it says something else.
fn patience(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT_HEADER)?.to_str().ok()?;
    let unit = text.chars().next_back()?;
    let digits = text.strip_suffix(unit)?;
    if digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let count = digits.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(count * 60 * 60)),
        'M' => Some(Duration::from_secs(count * 60)),
        'S' => Some(Duration::from_secs(count)),
        'm' => Some(Duration::from_millis(count)),
        'u' => Some(Duration::from_micros(count)),
        'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn call(timeout: &str) -> Request<Body> {
        let call = Request::builder().header(TIMEOUT_HEADER, timeout);
        call.body(Body::empty()).expect("a request")
    }

    #[tokio::test]
    async fn whoever_waits_no_longer_is_told_so() {
        let never = service_fn(|_| std::future::pending());
        let Ok(answer) = answer(&never, call("1m")).await;
        let status = Status::from_header_map(answer.headers());
        assert_eq!(status.map(|status| status.code()), Some(Code::DeadlineExceeded));
    }

    #[tokio::test]
    async fn an_answer_in_time_is_given() {
        let at_once = service_fn(async |_| Ok(Status::unimplemented("").into_http()));
        for timeout in ["1H", "whenever"] {
            let Ok(answer) = answer(&at_once, call(timeout)).await;
            let status = Status::from_header_map(answer.headers());
            assert_eq!(status.map(|status| status.code()), Some(Code::Unimplemented));
        }
    }

    #[test]
    fn a_client_says_how_long_it_waits_in_a_unit_of_its_choice() {
        let told = |text| patience(call(text).headers());
        assert_eq!(told("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(told("3M"), Some(Duration::from_secs(180)));
        assert_eq!(told("10S"), Some(Duration::from_secs(10)));
        assert_eq!(told("99999999m"), Some(Duration::from_millis(99_999_999)));
        assert_eq!(told("5u"), Some(Duration::from_micros(5)));
        assert_eq!(told("0n"), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_no_time_limit_is_none() {
        for text in ["", "S", "5", "5s", "-5S", "+5S", "123456789S", "5 S"] {
            assert_eq!(patience(call(text).headers()), None, "{text:?}");
        }
        assert_eq!(patience(&HeaderMap::new()), None);
    }
}

//! Traces, as a collector gets them: one from a request to all that follows its events.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use local_services::testing::TestFolder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost_of_opentelemetry::Message;
use reqwest::StatusCode;
use serde_json::json;
use tokio::net::TcpListener;

use crate::program::{Program, address, until, up};
use crate::shopper::Shopper;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

impl Collector {
    /// Gives the address too.
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let routes = Router::new().route("/v1/traces", post(collect));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let routes = routes.with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (collector, address)
    }

    /// The spans whose names begin so, of whatever trace.
    fn all(&self, name: &str) -> Vec<Span> {
        let spans = self.0.lock().unwrap();
        spans.iter().filter(|span| span.name.starts_with(name)).cloned().collect()
    }

    /// Those of our trace.
    fn named(&self, name: &str) -> Vec<Span> {
        let ours = |span: &Span| hex::encode(&span.trace_id) == TRACE;
        self.all(name).into_iter().filter(ours).collect()
    }
}

async fn collect(State(collector): State<Collector>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    collector.0.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_all_that_follows_it_are_one_trace() {
    let (data, (collector, endpoint)) = (TestFolder::new(), Collector::start().await);
    let mut command = up(data.path());
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "100");
    let shop = Program::up(command).await;
    let url = address(data.path());
    let (ann, bob) = (Shopper::sign_up(&url, &url).await, Shopper::sign_up(&url, &url).await);
    let ticket = ann.list_ticket().await;

    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let body = json!({"ticketId": ticket});
    let (status, order) = bob.post_in(&traceparent, "/api/orders", body).await;
    assert_eq!(status, StatusCode::CREATED, "{order}");
    let body = json!({"orderId": order["id"], "token": "tok_visa"});
    let (status, paid) = bob.post_in(&traceparent, "/api/payments", body).await;
    assert_eq!(status, StatusCode::CREATED, "{paid}");

    let request =
        until("the request is seen", || async { collector.named("POST /api/orders").pop() }).await;
    assert_eq!(hex::encode(&request.parent_span_id), PARENT);
    // Read models, process managers and the relay go on where the events say, in the request.
    for follower in [
        "follow projector/orders",
        "follow process-manager/payment",
        "follow relay/",
        "task payment",
    ] {
        until(follower, || async { collector.named(follower).pop() }).await;
    }
    // In a batch whose first event belongs to another request, it is linked.
    until("the order is followed as its request's", || async {
        collector.all("follow projector/orders").into_iter().find(|span| {
            span.parent_span_id == request.span_id
                || span.links.iter().any(|link| link.span_id == request.span_id)
        })
    })
    .await;
    drop(shop);
}

//! What is not here: named, with what to use instead, so that nobody looks for the fault elsewhere.

use tonic::Status;
use tonic::codegen::http;

/// Services of KurrentDB by how their names begin, and what serves the purpose here.
const INSTEAD: &[(&str, &str)] = &[
    (
        "event_store.client.persistent_subscriptions.",
        "use a catch-up subscription and keep its checkpoint yourself",
    ),
    ("event_store.client.projections.", "read or subscribe to $all with a filter"),
    ("event_store.client.users.", "name its users where it is started"),
    (
        "event_store.client.operations.",
        "it has no scavenge ($maxCount, $maxAge and $tb hide events at once) and no roles to change; \
         end its process to shut it down",
    ),
    ("event_store.client.redaction.", "seal what may have to be forgotten, and forget the key"),
    ("event_store.client.monitoring.", "it publishes metrics of its process"),
    ("kurrentdb.protocol.v2.streams.", "use Append or BatchAppend, one stream each"),
    ("kurrentdb.protocol.v2.indexes.", "read or subscribe to $all with a filter"),
];

const SERVED: &str = "it serves Streams, ServerFeatures and Gossip only";

/// The answer to a call of a method that does not exist.
pub(crate) async fn unimplemented(uri: http::Uri) -> http::Response<tonic::body::Body> {
    let method = uri.path().trim_start_matches('/');
    let instead = INSTEAD.iter().find(|(service, _)| method.starts_with(service));
    let instead = instead.map_or(SERVED, |(_, instead)| instead);
    Status::unimplemented(format!("the embedded log has no {method}: {instead}")).into_http()
}

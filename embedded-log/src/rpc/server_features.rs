//! `ServerFeatures`: what a client may ask of this server. What is not listed, clients do not try.

use tonic::{Request, Response, Status};

use crate::proto::Empty;
use crate::proto::server_features::server_features_server::ServerFeatures;
use crate::proto::server_features::{SupportedMethod, SupportedMethods};

/// The KurrentDB whose protocol is spoken; clients accept digits and dots only.
const SERVER_VERSION: &str = "25.1.0";

const STREAMS: &str = "event_store.client.streams.streams";

/// Service, method and features of each method, in lower case as clients compare them.
const METHODS: &[(&str, &str, &[&str])] = &[
    (STREAMS, "read", &["position", "events"]),
    (STREAMS, "append", &[]),
    (STREAMS, "batchappend", &["deadline_duration"]),
    (STREAMS, "delete", &[]),
    (STREAMS, "tombstone", &[]),
    ("event_store.client.gossip.gossip", "read", &[]),
    ("event_store.client.server_features.serverfeatures", "getsupportedmethods", &[]),
];

pub(crate) struct Features;

#[tonic::async_trait]
impl ServerFeatures for Features {
    async fn get_supported_methods(
        &self,
        _request: Request<Empty>,
    ) -> Result<Response<SupportedMethods>, Status> {
        let methods = METHODS.iter().map(|(service, method, features)| SupportedMethod {
            method_name: (*method).to_owned(),
            service_name: (*service).to_owned(),
            features: features.iter().map(|feature| (*feature).to_owned()).collect(),
        });
        Ok(Response::new(SupportedMethods {
            methods: methods.collect(),
            event_store_server_version: SERVER_VERSION.to_owned(),
        }))
    }
}

//! The protocol's own messages, for what the official client cannot send and does not show.

use std::collections::HashMap;

use bytes::Bytes;
use futures::StreamExt;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{ProstCodec, Streaming};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};
use uuid::Uuid;

use crate::proto::event_store::client as shared;
use crate::proto::streams::append_req::options::ExpectedStreamRevision;
use crate::proto::streams::batch_append_req::options::ExpectedStreamPosition;
use crate::proto::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq,
    ReadResp, TombstoneReq, TombstoneResp, append_req, append_resp, batch_append_req,
    batch_append_resp, delete_req, read_req, read_resp, tombstone_req,
};
use crate::proto::{Empty, StreamIdentifier};

pub(crate) const EMPTY: Empty = Empty {};

const STREAMS: &str = "event_store.client.streams.Streams";

/// A connection on which any message can be sent.
#[derive(Clone)]
pub(crate) struct Wire {
    grpc: Grpc<Channel>,
    /// Sent with every call.
    authorization: Option<&'static str>,
}

/// What a writer believes about the stream, for every verb alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Expected {
    Any,
    NoStream,
    Exists,
    At(u64),
}

pub(crate) type Proposed = append_req::ProposedMessage;

impl Wire {
    pub(crate) async fn connect(authority: &str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{authority}")).unwrap();
        Self::over(endpoint.connect().await.unwrap())
    }

    pub(crate) async fn connect_by_tls(port: u16, authority_pem: &[u8]) -> Self {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority_pem));
        let endpoint = Endpoint::from_shared(format!("https://localhost:{port}")).unwrap();
        Self::over(endpoint.tls_config(tls).unwrap().connect().await.unwrap())
    }

    fn over(channel: Channel) -> Self {
        let grpc = Grpc::new(channel)
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        Self { grpc, authorization: None }
    }

    pub(crate) fn with_authorization(self, authorization: Option<&'static str>) -> Self {
        Self { authorization, ..self }
    }

    /// A call of which both sides stream, as every call can be made.
    pub(crate) async fn open<Q, A>(
        &self,
        method: &str,
        requests: Vec<Q>,
    ) -> Result<Streaming<A>, Status>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = PathAndQuery::try_from(format!("/{method}")).unwrap();
        let mut requests = Request::new(futures::stream::iter(requests));
        if let Some(authorization) = self.authorization {
            let value = authorization.parse().unwrap();
            requests.metadata_mut().insert("authorization", value);
        }
        let answers = grpc.streaming(requests, path, ProstCodec::<Q, A>::default()).await?;
        Ok(answers.into_inner())
    }

    /// All answers to a call, or the status that ended it.
    pub(crate) async fn call<Q, A>(&self, method: &str, requests: Vec<Q>) -> Result<Vec<A>, Status>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        let answers = self.open(method, requests).await?;
        answers.collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn call_streams<Q, A>(&self, method: &str, requests: Vec<Q>) -> Result<Vec<A>, Status>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        self.call(&format!("{STREAMS}/{method}"), requests).await
    }

    pub(crate) async fn append(
        &self,
        requests: Vec<AppendReq>,
    ) -> Result<append_resp::Result, Status> {
        let mut answers: Vec<AppendResp> = self.call_streams("Append", requests).await?;
        Ok(answers.remove(0).result.unwrap())
    }

    pub(crate) async fn batch(
        &self,
        requests: Vec<BatchAppendReq>,
    ) -> Result<Vec<BatchAppendResp>, Status> {
        self.call_streams("BatchAppend", requests).await
    }

    /// The one answer to one append of a batch.
    pub(crate) async fn batch_one(&self, request: BatchAppendReq) -> batch_append_resp::Result {
        let mut answers = self.batch(vec![request]).await.unwrap();
        assert_eq!(answers.len(), 1);
        answers.remove(0).result.unwrap()
    }

    pub(crate) async fn delete(
        &self,
        stream: &str,
        expected: Expected,
    ) -> Result<DeleteResp, Status> {
        use delete_req::options::ExpectedStreamRevision as Revision;
        let options = delete_req::Options {
            stream_identifier: Some(identifier(stream)),
            expected_stream_revision: Some(match expected {
                Expected::Any => Revision::Any(EMPTY),
                Expected::NoStream => Revision::NoStream(EMPTY),
                Expected::Exists => Revision::StreamExists(EMPTY),
                Expected::At(revision) => Revision::Revision(revision),
            }),
        };
        let request = DeleteReq { options: Some(options) };
        Ok(self.call_streams("Delete", vec![request]).await?.remove(0))
    }

    pub(crate) async fn tombstone(
        &self,
        stream: &str,
        expected: Expected,
    ) -> Result<TombstoneResp, Status> {
        use tombstone_req::options::ExpectedStreamRevision as Revision;
        let options = tombstone_req::Options {
            stream_identifier: Some(identifier(stream)),
            expected_stream_revision: Some(match expected {
                Expected::Any => Revision::Any(EMPTY),
                Expected::NoStream => Revision::NoStream(EMPTY),
                Expected::Exists => Revision::StreamExists(EMPTY),
                Expected::At(revision) => Revision::Revision(revision),
            }),
        };
        let request = TombstoneReq { options: Some(options) };
        Ok(self.call_streams("Tombstone", vec![request]).await?.remove(0))
    }

    pub(crate) async fn read(
        &self,
        options: read_req::Options,
    ) -> Result<Vec<read_resp::Content>, Status> {
        let request = ReadReq { options: Some(options) };
        let answers: Vec<ReadResp> = self.call_streams("Read", vec![request]).await?;
        Ok(answers.into_iter().map(|answer| answer.content.unwrap()).collect())
    }

    /// A subscription of which nothing is taken yet.
    pub(crate) async fn subscribe(
        &self,
        options: read_req::Options,
    ) -> Result<Streaming<ReadResp>, Status> {
        let request = ReadReq { options: Some(options) };
        self.open(&format!("{STREAMS}/Read"), vec![request]).await
    }
}

pub(crate) fn identifier(stream: &str) -> StreamIdentifier {
    StreamIdentifier { stream_name: Bytes::copy_from_slice(stream.as_bytes()) }
}

pub(crate) fn text_id(id: Uuid) -> Option<shared::Uuid> {
    Some(shared::Uuid { value: Some(shared::uuid::Value::String(id.to_string())) })
}

/// The id in either form.
pub(crate) fn parse_id(id: Option<&shared::Uuid>) -> Uuid {
    match id.unwrap().value.as_ref().unwrap() {
        shared::uuid::Value::String(text) => text.parse().unwrap(),
        shared::uuid::Value::Structured(bits) => {
            let most = u64::from_be_bytes(bits.most_significant_bits.to_be_bytes());
            let least = u64::from_be_bytes(bits.least_significant_bits.to_be_bytes());
            Uuid::from_u64_pair(most, least)
        }
    }
}

pub(crate) fn properties() -> HashMap<String, String> {
    [("type", "T"), ("content-type", "application/octet-stream")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

pub(crate) fn proposed(id: Uuid, data_bytes: usize) -> Proposed {
    Proposed {
        id: text_id(id),
        metadata: properties(),
        custom_metadata: Bytes::new(),
        data: vec![b'x'; data_bytes].into(),
    }
}

/// Events of which only the ids matter.
pub(crate) fn with_ids(ids: &[Uuid]) -> Vec<Proposed> {
    ids.iter().map(|id| proposed(*id, 1)).collect()
}

pub(crate) fn append_options(stream: &str, expected: Expected) -> AppendReq {
    let expected = match expected {
        Expected::Any => ExpectedStreamRevision::Any(EMPTY),
        Expected::NoStream => ExpectedStreamRevision::NoStream(EMPTY),
        Expected::Exists => ExpectedStreamRevision::StreamExists(EMPTY),
        Expected::At(revision) => ExpectedStreamRevision::Revision(revision),
    };
    let options = append_req::Options {
        stream_identifier: Some(identifier(stream)),
        expected_stream_revision: Some(expected),
    };
    AppendReq { content: Some(append_req::Content::Options(options)) }
}

pub(crate) fn append_event(event: Proposed) -> AppendReq {
    AppendReq { content: Some(append_req::Content::ProposedMessage(event)) }
}

/// A whole `Append`.
pub(crate) fn append_requests(
    stream: &str,
    expected: Expected,
    events: Vec<Proposed>,
) -> Vec<AppendReq> {
    let events = events.into_iter().map(append_event);
    [append_options(stream, expected)].into_iter().chain(events).collect()
}

/// A whole append within `BatchAppend`.
pub(crate) fn batch_request(
    correlation: Uuid,
    stream: &str,
    expected: Expected,
    events: Vec<Proposed>,
) -> BatchAppendReq {
    let expected = match expected {
        Expected::Any => ExpectedStreamPosition::Any(()),
        Expected::NoStream => ExpectedStreamPosition::NoStream(()),
        Expected::Exists => ExpectedStreamPosition::StreamExists(()),
        Expected::At(revision) => ExpectedStreamPosition::StreamPosition(revision),
    };
    let options = batch_append_req::Options {
        stream_identifier: Some(identifier(stream)),
        deadline_option: None,
        expected_stream_position: Some(expected),
    };
    BatchAppendReq { options: Some(options), ..batch_chunk(correlation, events, true) }
}

/// A further chunk of an append within `BatchAppend`.
pub(crate) fn batch_chunk(
    correlation: Uuid,
    events: Vec<Proposed>,
    is_final: bool,
) -> BatchAppendReq {
    let proposed_messages =
        events
            .into_iter()
            .map(|Proposed { id, metadata, custom_metadata, data }| {
                batch_append_req::ProposedMessage { id, metadata, custom_metadata, data }
            })
            .collect();
    BatchAppendReq {
        correlation_id: text_id(correlation),
        options: None,
        proposed_messages,
        is_final,
    }
}

/// The value of a trailer; empty if it is not there.
pub(crate) fn trailer<'s>(status: &'s Status, name: &str) -> &'s str {
    status.metadata().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

pub(crate) fn error(result: batch_append_resp::Result) -> crate::proto::google::rpc::Status {
    match result {
        batch_append_resp::Result::Error(status) => status,
        batch_append_resp::Result::Success(success) => panic!("{success:?}"),
    }
}

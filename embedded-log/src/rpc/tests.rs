//! What the official Rust client cannot send, said to a served log in the protocol's own messages.

use std::collections::HashMap;

use bytes::Bytes;
use futures::StreamExt;
use prost::Message;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tonic::client::Grpc;
use tonic::codec::ProstCodec;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use uuid::Uuid;

use super::wire::{self, UuidForm};
use crate::limits::{APPEND_BYTES_MAX, EVENT_BYTES_MAX};
use crate::proto::event_store::client as shared;
use crate::proto::streams::batch_append_req::options::{DeadlineOption, ExpectedStreamPosition};
use crate::proto::streams::read_req::options as read_options;
use crate::proto::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq,
    ReadResp, append_req, append_resp, batch_append_req, batch_append_resp, delete_req, read_req,
    read_resp,
};
use crate::{Options, Server};

struct Served {
    _directory: TempDir,
    stop: CancellationToken,
    address: std::net::SocketAddr,
    grpc: Grpc<Channel>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Served {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::open(Options::new(directory.path())).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(listener, stop.clone().cancelled_owned()));
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let grpc = Grpc::new(endpoint.connect().await.unwrap())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        Self { _directory: directory, stop, address, grpc }
    }

    /// A call of which both sides stream, as every call can be made.
    async fn call<Q, A>(&self, method: &str, requests: Vec<Q>) -> Result<Vec<A>, Status>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = format!("/event_store.client.streams.Streams/{method}");
        let path = PathAndQuery::try_from(path).unwrap();
        let requests = Request::new(futures::stream::iter(requests));
        let answers = grpc.streaming(requests, path, ProstCodec::<Q, A>::default()).await?;
        answers.into_inner().collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn append(&self, requests: Vec<AppendReq>) -> Result<append_resp::Result, Status> {
        let mut answers: Vec<AppendResp> = self.call("Append", requests).await?;
        Ok(answers.remove(0).result.unwrap())
    }

    async fn batch(
        &self,
        requests: Vec<BatchAppendReq>,
    ) -> Result<Vec<batch_append_resp::Result>, Status> {
        let answers: Vec<BatchAppendResp> = self.call("BatchAppend", requests).await?;
        Ok(answers.into_iter().map(|answer| answer.result.unwrap()).collect())
    }

    async fn read(&self, options: read_req::Options) -> Result<Vec<read_resp::Content>, Status> {
        let request = ReadReq { options: Some(options) };
        let answers: Vec<ReadResp> = self.call("Read", vec![request]).await?;
        Ok(answers.into_iter().map(|answer| answer.content.unwrap()).collect())
    }
}

fn any() -> Option<append_req::options::ExpectedStreamRevision> {
    Some(append_req::options::ExpectedStreamRevision::Any(wire::EMPTY))
}

fn options(stream: &str) -> AppendReq {
    let stream_identifier = Some(wire::identifier(stream.to_owned()));
    let options = append_req::Options { stream_identifier, expected_stream_revision: any() };
    AppendReq { content: Some(append_req::Content::Options(options)) }
}

fn properties() -> HashMap<String, String> {
    [("type", "T"), ("content-type", "application/json")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn text_id() -> Option<shared::Uuid> {
    Some(shared::Uuid { value: Some(shared::uuid::Value::String(Uuid::new_v4().to_string())) })
}

fn proposed(data_bytes: usize) -> append_req::ProposedMessage {
    append_req::ProposedMessage {
        id: text_id(),
        metadata: properties(),
        custom_metadata: Bytes::new(),
        data: vec![b'x'; data_bytes].into(),
    }
}

fn event(data_bytes: usize) -> AppendReq {
    AppendReq { content: Some(append_req::Content::ProposedMessage(proposed(data_bytes))) }
}

fn chunk(correlation: u128, first: bool, data_bytes: &[usize], is_final: bool) -> BatchAppendReq {
    let options = first.then(|| batch_append_req::Options {
        stream_identifier: Some(wire::identifier(format!("batch-{correlation}"))),
        deadline_option: None,
        expected_stream_position: Some(ExpectedStreamPosition::NoStream(())),
    });
    let proposed_messages = data_bytes
        .iter()
        .map(|bytes| {
            let append_req::ProposedMessage { id, metadata, custom_metadata, data } =
                proposed(*bytes);
            batch_append_req::ProposedMessage { id, metadata, custom_metadata, data }
        })
        .collect();
    let id = Uuid::from_u128(correlation).to_string();
    let correlation_id = Some(shared::Uuid { value: Some(shared::uuid::Value::String(id)) });
    BatchAppendReq { correlation_id, options, proposed_messages, is_final }
}

fn header<'s>(status: &'s Status, name: &str) -> &'s str {
    status.metadata().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

fn error(result: batch_append_resp::Result) -> crate::proto::google::rpc::Status {
    match result {
        batch_append_resp::Result::Error(status) => status,
        batch_append_resp::Result::Success(success) => panic!("{success:?}"),
    }
}

#[tokio::test]
async fn an_event_that_is_too_large_is_named_with_the_limit() {
    let served = Served::start().await;
    let status = served.append(vec![options("s"), event(EVENT_BYTES_MAX)]).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(header(&status, "exception"), "maximum-append-event-size-exceeded");
    assert_eq!(header(&status, "max-append-event-size"), EVENT_BYTES_MAX.to_string());
    served.append(vec![options("s"), event(EVENT_BYTES_MAX - 1)]).await.unwrap();
}

#[tokio::test]
async fn an_append_that_is_too_large_is_refused_with_the_limit() {
    let served = Served::start().await;
    let requests = [options("s")].into_iter().chain((0..5).map(|_| event(1_000_000))).collect();
    let status = served.append(requests).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(header(&status, "exception"), "maximum-append-size-exceeded");
    assert_eq!(header(&status, "maximum-append-size"), APPEND_BYTES_MAX.to_string());

    let too_large = chunk(1, true, &[1_000_000; 5], true);
    let status = error(served.batch(vec![too_large]).await.unwrap().remove(0));
    let details = status.details.unwrap();
    assert!(details.type_url.ends_with("event_store.client.MaximumAppendSizeExceeded"));
    let detail = shared::MaximumAppendSizeExceeded::decode(&*details.value).unwrap();
    assert_eq!(usize::try_from(detail.max_append_size).unwrap(), APPEND_BYTES_MAX);
}

#[tokio::test]
async fn a_missing_property_is_named() {
    let served = Served::start().await;
    for name in ["type", "content-type"] {
        let mut message = proposed(1);
        message.metadata.remove(name);
        let event = AppendReq { content: Some(append_req::Content::ProposedMessage(message)) };
        let status = served.append(vec![options("s"), event]).await.unwrap_err();
        assert_eq!(header(&status, "exception"), "missing-required-metadata-property");
        assert_eq!(header(&status, "required-metadata-properties"), name);
    }
}

#[tokio::test]
async fn requests_that_make_no_sense_are_invalid_arguments() {
    let served = Served::start().await;
    let no_id = append_req::ProposedMessage { id: None, ..proposed(1) };
    let no_id = AppendReq { content: Some(append_req::Content::ProposedMessage(no_id)) };
    let not_utf8 = append_req::Options {
        stream_identifier: Some(wire::identifier(Bytes::from_static(b"\xff"))),
        expected_stream_revision: any(),
    };
    let not_utf8 = AppendReq { content: Some(append_req::Content::Options(not_utf8)) };
    let no_revision = append_req::Options {
        stream_identifier: Some(wire::identifier("s")),
        expected_stream_revision: None,
    };
    let no_revision = AppendReq { content: Some(append_req::Content::Options(no_revision)) };
    let nonsense = [
        vec![],
        vec![event(1)],
        vec![AppendReq { content: None }],
        vec![options("s"), options("s")],
        vec![options("s"), no_id],
        vec![not_utf8],
        vec![no_revision],
        vec![options(&"s".repeat(2000))],
    ];
    for (line, requests) in nonsense.into_iter().enumerate() {
        let status = served.append(requests).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "line {line}");
    }
    let status = served.read(read_req::Options::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn an_append_in_chunks_is_one_append_and_others_may_come_between() {
    let served = Served::start().await;
    let requests = vec![
        chunk(1, true, &[1, 1], false),
        chunk(2, true, &[1], true),
        chunk(1, false, &[1], false),
        chunk(1, false, &[], true),
    ];
    let answers: Vec<BatchAppendResp> = served.call("BatchAppend", requests).await.unwrap();
    let mut revisions = HashMap::new();
    for answer in answers {
        let stream = answer.stream_identifier.unwrap().stream_name;
        let Some(batch_append_resp::Result::Success(success)) = answer.result else { panic!() };
        let id = wire::uuid(answer.correlation_id.as_ref()).unwrap();
        assert_eq!(stream, format!("batch-{}", id.as_u128()));
        assert!(matches!(
            answer.expected_stream_position,
            Some(batch_append_resp::ExpectedStreamPosition::NoStream(()))
        ));
        revisions.insert(id.as_u128(), success.current_revision_option.unwrap());
    }
    use batch_append_resp::success::CurrentRevisionOption::CurrentRevision;
    assert_eq!(revisions, HashMap::from([(1, CurrentRevision(2)), (2, CurrentRevision(0))]));
}

#[tokio::test]
async fn a_refused_batch_append_carries_the_typed_detail_and_the_call_goes_on() {
    let served = Served::start().await;
    let twice = vec![chunk(1, true, &[1], true), chunk(1, true, &[1], true)];
    let mut answers = served.batch(twice).await.unwrap();
    let status = error(answers.remove(1));
    assert_eq!(status.code, i32::from(Code::AlreadyExists));
    let details = status.details.unwrap();
    assert_eq!(details.type_url, "type.googleapis.com/event_store.client.WrongExpectedVersion");
    let detail = shared::WrongExpectedVersion::decode(&*details.value).unwrap();
    use shared::wrong_expected_version::{
        CurrentStreamRevisionOption, ExpectedStreamPositionOption,
    };
    assert_eq!(
        (detail.current_stream_revision_option, detail.expected_stream_position_option),
        (
            Some(CurrentStreamRevisionOption::CurrentStreamRevision(0)),
            Some(ExpectedStreamPositionOption::ExpectedNoStream(()))
        )
    );
}

#[tokio::test]
async fn past_its_deadline_an_append_is_not_made() {
    let served = Served::start().await;
    let ago = std::time::SystemTime::now() - std::time::Duration::from_secs(5);
    let no_time = prost_types::Duration { seconds: 0, nanos: 0 };
    let deadlines = [DeadlineOption::Deadline(no_time), DeadlineOption::Deadline21100(ago.into())];
    for deadline in deadlines {
        let mut late = chunk(7, true, &[1], true);
        late.options.as_mut().unwrap().deadline_option = Some(deadline);
        let status = error(served.batch(vec![late]).await.unwrap().remove(0));
        assert_eq!(status.code, i32::from(Code::DeadlineExceeded));
        assert!(status.details.unwrap().type_url.ends_with("event_store.client.Timeout"));
    }
    let absurd = prost_types::Duration { seconds: i64::MAX, nanos: i32::MAX };
    let mut patient = chunk(7, true, &[1], true);
    patient.options.as_mut().unwrap().deadline_option = Some(DeadlineOption::Deadline(absurd));
    let answer = served.batch(vec![patient]).await.unwrap().remove(0);
    assert!(matches!(answer, batch_append_resp::Result::Success(_)), "written now: {answer:?}");
}

#[tokio::test]
async fn a_wrong_revision_on_delete_is_told_in_the_trailers() {
    let served = Served::start().await;
    served.append(vec![options("s"), event(1)]).await.unwrap();
    let request = DeleteReq {
        options: Some(delete_req::Options {
            stream_identifier: Some(wire::identifier("s")),
            expected_stream_revision: Some(delete_req::options::ExpectedStreamRevision::Revision(
                8,
            )),
        }),
    };
    let refused = served.call::<_, DeleteResp>("Delete", vec![request]).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let trailers = ["exception", "stream-name", "expected-version", "actual-version"];
    let told = trailers.map(|name| header(&refused, name));
    assert_eq!(told, ["wrong-expected-version", "s", "8", "0"]);
}

fn read_stream(stream: &str, structured: bool, compatibility: u32) -> read_req::Options {
    use read_options::{stream_options::RevisionOption, uuid_option::Content};
    let uuid =
        if structured { Content::Structured(wire::EMPTY) } else { Content::String(wire::EMPTY) };
    read_req::Options {
        stream_option: Some(read_options::StreamOption::Stream(read_options::StreamOptions {
            stream_identifier: Some(wire::identifier(stream.to_owned())),
            revision_option: Some(RevisionOption::Start(wire::EMPTY)),
        })),
        count_option: Some(read_options::CountOption::Count(10)),
        filter_option: Some(read_options::FilterOption::NoFilter(wire::EMPTY)),
        uuid_option: Some(read_options::UuidOption { content: Some(uuid) }),
        control_option: Some(read_options::ControlOption { compatibility }),
        ..Default::default()
    }
}

#[tokio::test]
async fn ids_come_back_in_the_form_asked_for() {
    let served = Served::start().await;
    let id = Uuid::from_u128(u128::MAX - 5);
    let value = shared::uuid::Value::String(id.to_string());
    let message = append_req::ProposedMessage {
        id: Some(shared::Uuid { value: Some(value) }),
        ..proposed(1)
    };
    let event = AppendReq { content: Some(append_req::Content::ProposedMessage(message)) };
    served.append(vec![options("s"), event]).await.unwrap();
    for structured in [true, false] {
        let contents = served.read(read_stream("s", structured, 0)).await.unwrap();
        let [read_resp::Content::Event(read)] = &contents[..] else { panic!("{contents:?}") };
        let wire_id = read.event.as_ref().unwrap().id.as_ref();
        assert_eq!(wire::uuid(wire_id).unwrap(), id);
        let value = wire_id.unwrap().value.as_ref().unwrap();
        assert_eq!(matches!(value, shared::uuid::Value::Structured(_)), structured);
    }
    assert_eq!(UuidForm::requested(None), UuidForm::Structured);
}

#[tokio::test]
async fn an_empty_page_tells_both_ends_of_the_stream_to_who_understands_it() {
    let served = Served::start().await;
    served.append(vec![options("s"), event(1), event(1)]).await.unwrap();
    let mut beyond = read_stream("s", false, 1);
    if let Some(read_options::StreamOption::Stream(stream)) = &mut beyond.stream_option {
        stream.revision_option = Some(read_options::stream_options::RevisionOption::Revision(9));
    }
    let contents = served.read(beyond).await.unwrap();
    let ends =
        [read_resp::Content::FirstStreamPosition(0), read_resp::Content::LastStreamPosition(1)];
    assert_eq!(contents, ends);
}

#[tokio::test]
async fn bytes_that_are_no_protocol_leave_the_server_standing() {
    let served = Served::start().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for seed in 0..20_u8 {
        let mut socket = TcpStream::connect(served.address).await.unwrap();
        let noise = (0..=u8::MAX).map(|at| seed.wrapping_mul(31).wrapping_add(at ^ seed));
        let start: &[u8] = if seed % 2 == 0 { preface } else { b"" };
        let bytes: Vec<u8> = start.iter().copied().chain(noise).collect();
        // The server may hang up in the middle; what counts is that it stays up.
        let _ = socket.write_all(&bytes).await;
        let _ = socket.shutdown().await;
        let _ = socket.read_to_end(&mut Vec::new()).await;
    }
    served.append(vec![options("s"), event(1)]).await.unwrap();
}

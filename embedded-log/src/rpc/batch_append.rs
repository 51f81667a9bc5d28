//! `BatchAppend`: one long call that carries many appends. Each has a correlation id, may come in
//! several chunks, and is answered on its own as soon as it is on disk.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{BoxStream, FuturesUnordered, StreamExt};
use tonic::{Status, Streaming};
use uuid::Uuid;

use super::refusal::Refusal;
use super::wire;
use crate::limits::{APPEND_BYTES_MAX, BATCH_IN_FLIGHT_MAX, BATCH_PARTIAL_MAX};
use crate::proto::event_store::client::{AllStreamPosition, Uuid as WireUuid};
use crate::proto::streams::batch_append_req::{Options, ProposedMessage, options};
use crate::proto::streams::batch_append_resp::{self, Success, success};
use crate::proto::streams::{BatchAppendReq, BatchAppendResp};
use crate::store::Store;
use crate::store::write::{Change, Expected, Proposed, Write, Written};

pub(crate) fn batch_append(
    store: Store,
    requests: Streaming<BatchAppendReq>,
) -> BoxStream<'static, Result<BatchAppendResp, Status>> {
    let session = Session {
        store,
        requests,
        requests_ended: false,
        partial: HashMap::new(),
        in_flight: FuturesUnordered::new(),
    };
    futures::stream::try_unfold(session, |mut session| async move {
        Ok(session.next().await?.map(|response| (response, session)))
    })
    .boxed()
}

struct Session {
    store: Store,
    requests: Streaming<BatchAppendReq>,
    requests_ended: bool,
    /// Appends of which the final chunk is still to come, by correlation id.
    partial: HashMap<Uuid, Partial>,
    in_flight: FuturesUnordered<BoxFuture<'static, BatchAppendResp>>,
}

/// An append being received.
struct Partial {
    target: Target,
    events: Vec<Proposed>,
    bytes: usize,
    /// The first thing that was wrong; the append is answered with it when it is complete.
    refusal: Option<Refusal>,
}

/// What a client recognises the answer by.
#[derive(Clone)]
struct Target {
    correlation_id: Option<WireUuid>,
    options: Options,
}

impl Session {
    /// The next answer; `None` when the client has ended its side and all is answered.
    async fn next(&mut self) -> Result<Option<BatchAppendResp>, Status> {
        let closing = self.store.closing().clone();
        loop {
            if self.requests_ended && self.in_flight.is_empty() {
                return Ok(None);
            }
            let reads = !self.requests_ended
                && !closing.is_cancelled()
                && self.in_flight.len() < BATCH_IN_FLIGHT_MAX;
            tokio::select! {
                Some(response) = self.in_flight.next() => return Ok(Some(response)),
                request = self.requests.message(), if reads => match request? {
                    Some(request) => {
                        if let Some(response) = self.receive(request).await? {
                            return Ok(Some(response));
                        }
                    }
                    None => self.requests_ended = true,
                },
                () = closing.cancelled(), if self.in_flight.is_empty() => {
                    return Err(Refusal::ShuttingDown.into());
                }
            }
        }
    }

    /// Takes a chunk; once an append is complete, hands it to the writer. Appends reach the writer
    /// in the order in which they were completed. An answer only if there is one at once.
    async fn receive(
        &mut self,
        request: BatchAppendReq,
    ) -> Result<Option<BatchAppendResp>, Refusal> {
        let BatchAppendReq { correlation_id, options, proposed_messages, is_final } = request;
        let key = wire::uuid(correlation_id.as_ref())?;
        let mut append = match (self.partial.remove(&key), options) {
            (Some(partial), _) => partial,
            (None, Some(options)) => Partial::new(Target { correlation_id, options }),
            (None, None) => {
                let reason = "the first chunk of an append must hold its options";
                return Err(Refusal::Invalid(reason.to_owned()));
            }
        };
        append.extend(proposed_messages);
        if !is_final {
            if self.partial.len() >= BATCH_PARTIAL_MAX {
                let reason = format!("more than {BATCH_PARTIAL_MAX} appends are incomplete");
                return Err(Refusal::Invalid(reason));
            }
            self.partial.insert(key, append);
            return Ok(None);
        }
        let target = append.target.clone();
        match self.hand_over(append).await {
            Ok(()) => Ok(None),
            Err(refusal) => Ok(Some(target.answer(Err(refusal)))),
        }
    }

    async fn hand_over(&mut self, append: Partial) -> Result<(), Refusal> {
        let (target, write) = append.into_write()?;
        let (stream, expected) = (write.stream.clone(), write.expected);
        let refusal = move |error| Refusal::Write { stream, expected, error };
        match self.store.enqueue(write).await {
            Ok(pending) => {
                let answer = async move { target.answer(pending.answer().await.map_err(refusal)) };
                self.in_flight.push(answer.boxed());
                Ok(())
            }
            Err(error) => Err(refusal(error)),
        }
    }
}

impl Partial {
    fn new(target: Target) -> Self {
        Self { target, events: Vec::new(), bytes: 0, refusal: None }
    }

    fn extend(&mut self, messages: Vec<ProposedMessage>) {
        for message in messages {
            if self.refusal.is_some() {
                return;
            }
            let ProposedMessage { id, metadata, custom_metadata, data } = message;
            match wire::proposed(id.as_ref(), metadata, custom_metadata, data) {
                Ok(event) => {
                    self.bytes += event.size();
                    self.events.push(event);
                }
                Err(refusal) => self.refusal = Some(refusal),
            }
            if self.bytes > APPEND_BYTES_MAX {
                self.events = Vec::new();
                self.refusal = Some(Refusal::AppendTooLarge);
            }
        }
    }

    fn into_write(self) -> Result<(Target, Write), Refusal> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let options = &self.target.options;
        let write = Write {
            stream: wire::writable_stream_name(options.stream_identifier.as_ref())?,
            expected: wire::expected(options.expected_stream_position)?,
            change: Change::Append(self.events),
            deadline: options.deadline_option.and_then(deadline),
        };
        Ok((self.target, write))
    }
}

impl Target {
    fn answer(self, outcome: Result<Written, Refusal>) -> BatchAppendResp {
        let result = match outcome {
            Ok(written) => batch_append_resp::Result::Success(success(written)),
            Err(refusal) => batch_append_resp::Result::Error(refusal.into_batch_status()),
        };
        let expected = self.options.expected_stream_position.map(Expected::from).map(repeated);
        // Clients insist on an identifier, even where they sent none.
        let stream = self.options.stream_identifier.unwrap_or_default();
        BatchAppendResp {
            correlation_id: self.correlation_id,
            stream_identifier: Some(stream),
            expected_stream_position: expected,
            result: Some(result),
        }
    }
}

/// When the client stops waiting. A point too far away to express is none.
fn deadline(option: options::DeadlineOption) -> Option<Instant> {
    let rest = match option {
        options::DeadlineOption::Deadline(rest) => {
            // A negative rest has passed already.
            Duration::try_from(rest).unwrap_or_default()
        }
        options::DeadlineOption::Deadline21100(at) => {
            SystemTime::try_from(at).ok()?.duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Instant::now().checked_add(rest)
}

fn repeated(expected: Expected) -> batch_append_resp::ExpectedStreamPosition {
    use batch_append_resp::ExpectedStreamPosition as Wire;
    match expected {
        Expected::Any => Wire::Any(()),
        Expected::NoStream => Wire::NoStream(()),
        Expected::StreamExists => Wire::StreamExists(()),
        Expected::Exact(revision) => Wire::StreamPosition(revision),
    }
}

fn success(written: Written) -> Success {
    use success::{CurrentRevisionOption, PositionOption};
    let revision = written
        .revision
        .map_or(CurrentRevisionOption::NoStream(()), CurrentRevisionOption::CurrentRevision);
    let position = written.position.map_or(PositionOption::NoPosition(()), |position| {
        PositionOption::Position(AllStreamPosition {
            commit_position: position,
            prepare_position: position,
        })
    });
    Success { current_revision_option: Some(revision), position_option: Some(position) }
}

//! A served log and its official client, asked what the model is asked.

use embedded_log::testing::TestLog;
use eventstore::{
    AppendToStreamOptions, Client, DeleteStreamOptions, Error, EventData, ReadAllOptions,
    ReadStreamOptions, StreamMetadata, StreamMetadataResult, StreamPosition, StreamState,
    TombstoneStreamOptions,
};
use tonic::Code;
use uuid::Uuid;

use crate::rules::{Description, Found, Outcome, Placed};

pub(crate) struct Real {
    log: TestLog,
    client: Client,
    /// Tells the streams of one history from those of another.
    case: String,
    /// Where the history began.
    start: Option<eventstore::Position>,
}

impl Real {
    pub(crate) async fn start() -> Self {
        let log = TestLog::start().await;
        let client = connect(&log);
        Self { log, client, case: String::new(), start: None }
    }

    pub(crate) async fn next_case(&mut self) {
        self.case = Uuid::new_v4().simple().to_string();
        let options = ReadAllOptions::default().position(StreamPosition::End).backwards();
        let mut last = self.client.read_all(&options.max_count(1)).await.unwrap();
        self.start = last.next().await.unwrap().map(|event| event.get_original_event().position);
    }

    pub(crate) async fn restart(&mut self) {
        self.log.restart().await;
        self.client = connect(&self.log);
    }

    fn name(&self, stream: usize) -> String {
        format!("{}-{stream}", self.case)
    }

    pub(crate) async fn append(&self, stream: usize, state: StreamState, ids: &[Uuid]) -> Outcome {
        let events =
            ids.iter().map(|id| EventData::binary("T", id.as_bytes().to_vec().into()).id(*id));
        let events: Vec<EventData> = events.collect();
        let options = AppendToStreamOptions::default().stream_state(state);
        match self.client.append_to_stream(self.name(stream), &options, events).await {
            Ok(written) => {
                Outcome::Done((!ids.is_empty()).then_some(written.next_expected_version))
            }
            Err(error) => refused(&error),
        }
    }

    pub(crate) async fn delete(&self, stream: usize, state: StreamState) -> Outcome {
        let options = DeleteStreamOptions::default().stream_state(state);
        match self.client.delete_stream(self.name(stream), &options).await {
            Ok(_) => Outcome::Done(None),
            Err(error) => refused(&error),
        }
    }

    pub(crate) async fn tombstone(&self, stream: usize, state: StreamState) -> Outcome {
        let options = TombstoneStreamOptions::default().stream_state(state);
        match self.client.tombstone_stream(self.name(stream), &options).await {
            Ok(_) => Outcome::Done(None),
            Err(error) => refused(&error),
        }
    }

    pub(crate) async fn describe(
        &self,
        stream: usize,
        max_count: Option<u64>,
        truncate_before: Option<u64>,
    ) -> Outcome {
        let metadata = StreamMetadata { max_count, truncate_before, ..Default::default() };
        let options = AppendToStreamOptions::default();
        match self.client.set_stream_metadata(self.name(stream), &options, &metadata).await {
            Ok(_) => Outcome::Done(None),
            Err(error) => refused(&error),
        }
    }

    pub(crate) async fn read(
        &self,
        stream: usize,
        from: u64,
        forwards: bool,
        count: usize,
    ) -> Found {
        let options = ReadStreamOptions::default().position(StreamPosition::Position(from));
        let options = if forwards { options.forwards() } else { options.backwards() };
        let mut reading =
            match self.client.read_stream(self.name(stream), &options.max_count(count)).await {
                Ok(reading) => reading,
                Err(error) => return not_found(&error),
            };
        let mut events = Vec::new();
        loop {
            match reading.next().await {
                Ok(Some(event)) => {
                    let event = event.get_original_event();
                    assert_eq!(&event.data[..], event.id.as_bytes(), "the event's own data");
                    events.push((event.revision, event.id));
                }
                Ok(None) => return Found::Events(events),
                Err(error) => return not_found(&error),
            }
        }
    }

    pub(crate) async fn metadata(&self, stream: usize) -> Result<Description, ()> {
        let options = ReadStreamOptions::default();
        match self.client.get_stream_metadata(self.name(stream), &options).await {
            Ok(StreamMetadataResult::Success(found)) => {
                let metadata = found.metadata();
                let (max_count, truncate_before) = (metadata.max_count, metadata.truncate_before);
                Ok(Description { max_count, truncate_before })
            }
            Ok(StreamMetadataResult::NotFound) => Ok(Description::default()),
            Ok(StreamMetadataResult::Deleted) | Err(Error::ResourceDeleted) => Err(()),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// The history's events in `$all`, read in both directions.
    pub(crate) async fn all(&self) -> Vec<Placed> {
        let from = self.start.map_or(StreamPosition::Start, StreamPosition::Position);
        let forwards = ReadAllOptions::default().position(from).forwards();
        let forwards = self.all_of_this(forwards).await;
        let backwards = ReadAllOptions::default().position(StreamPosition::End).backwards();
        let mut backwards = self.all_of_this(backwards).await;
        backwards.reverse();
        assert_eq!(forwards, backwards, "$all is the same in both directions");
        forwards
    }

    async fn all_of_this(&self, options: ReadAllOptions) -> Vec<Placed> {
        let mut reading = self.client.read_all(&options.max_count(1_000_000)).await.unwrap();
        let mut events = Vec::new();
        while let Some(event) = reading.next().await.unwrap() {
            let event = event.get_original_event();
            let name = event.stream_id();
            let (name, metadata) =
                name.strip_prefix("$$").map_or((name, false), |name| (name, true));
            if let Some(stream) = name.strip_prefix(&format!("{}-", self.case)) {
                events.push((stream.parse().unwrap(), metadata, event.revision));
            }
        }
        events
    }
}

fn connect(log: &TestLog) -> Client {
    Client::new(log.connection_string().parse().unwrap()).unwrap()
}

fn refused(error: &Error) -> Outcome {
    match error {
        Error::ResourceDeleted => Outcome::Deleted,
        Error::WrongExpectedVersion { .. } | Error::Grpc { code: Code::FailedPrecondition, .. } => {
            Outcome::WrongExpected
        }
        _ => panic!("{error:?}"),
    }
}

fn not_found(error: &Error) -> Found {
    match error {
        Error::ResourceDeleted => Found::Deleted,
        Error::ResourceNotFound => Found::Nothing,
        _ => panic!("{error:?}"),
    }
}

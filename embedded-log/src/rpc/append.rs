//! `Append`: one message with the stream and its expected revision, then one message per event.
//! A wrong expected revision is an answer, not an error.

use tonic::{Status, Streaming};

use super::refusal::Refusal;
use super::wire::{self, EMPTY};
use crate::limits::APPEND_BYTES_MAX;
use crate::proto::streams::append_req::{self, Content};
use crate::proto::streams::append_resp::{self, Success, WrongExpectedVersion, success};
use crate::proto::streams::{AppendReq, AppendResp};
use crate::store::Store;
use crate::store::write::{Change, Expected, Proposed, Write, WriteError, Written};

pub(crate) async fn append(
    store: &Store,
    mut requests: Streaming<AppendReq>,
) -> Result<AppendResp, Status> {
    let first = requests.message().await?.and_then(|request| request.content);
    let Some(Content::Options(options)) = first else {
        return Err(Refusal::Invalid("the first message must hold the options".to_owned()).into());
    };
    let stream = wire::writable_stream_name(options.stream_identifier.as_ref())?;
    let expected = wire::expected(options.expected_stream_revision)?;
    let events = receive_events(&mut requests).await?;
    let change = Change::Append(events);
    let write = Write { stream: stream.clone(), expected, change, deadline: None };
    let result = match store.write(write).await {
        Ok(written) => append_resp::Result::Success(success(written)),
        Err(WriteError::WrongExpected { current }) => {
            append_resp::Result::WrongExpectedVersion(wrong_expected(expected, current))
        }
        Err(error) => return Err(Refusal::Write { stream, expected, error }.into()),
    };
    Ok(AppendResp { result: Some(result) })
}

async fn receive_events(requests: &mut Streaming<AppendReq>) -> Result<Vec<Proposed>, Status> {
    let mut events = Vec::new();
    let mut bytes = 0;
    while let Some(request) = requests.message().await? {
        let Some(Content::ProposedMessage(message)) = request.content else {
            return Err(Refusal::Invalid("a message holds no event".to_owned()).into());
        };
        let append_req::ProposedMessage { id, metadata, custom_metadata, data } = message;
        let event = wire::proposed(id.as_ref(), metadata, custom_metadata, data)?;
        bytes += event.size();
        if bytes > APPEND_BYTES_MAX {
            return Err(Refusal::AppendTooLarge.into());
        }
        events.push(event);
    }
    Ok(events)
}

fn success(written: Written) -> Success {
    use success::{CurrentRevisionOption, PositionOption};
    let revision = written
        .revision
        .map_or(CurrentRevisionOption::NoStream(EMPTY), CurrentRevisionOption::CurrentRevision);
    let position = written.position.map_or(PositionOption::NoPosition(EMPTY), |position| {
        PositionOption::Position(append_resp::Position {
            commit_position: position,
            prepare_position: position,
        })
    });
    Success { current_revision_option: Some(revision), position_option: Some(position) }
}

/// Old clients read the fields ending in `_20_6_0`, newer ones the others.
fn wrong_expected(expected: Expected, current: Option<u64>) -> WrongExpectedVersion {
    use append_resp::wrong_expected_version::{
        CurrentRevisionOption, CurrentRevisionOption2060, ExpectedRevisionOption,
        ExpectedRevisionOption2060,
    };
    let (old_expected, new_expected) = match expected {
        Expected::Any => (
            Some(ExpectedRevisionOption2060::Any2060(EMPTY)),
            ExpectedRevisionOption::ExpectedAny(EMPTY),
        ),
        Expected::StreamExists => (
            Some(ExpectedRevisionOption2060::StreamExists2060(EMPTY)),
            ExpectedRevisionOption::ExpectedStreamExists(EMPTY),
        ),
        // The old fields have no way to say "no stream" but to say nothing.
        Expected::NoStream => (None, ExpectedRevisionOption::ExpectedNoStream(EMPTY)),
        Expected::Exact(revision) => (
            Some(ExpectedRevisionOption2060::ExpectedRevision2060(revision)),
            ExpectedRevisionOption::ExpectedRevision(revision),
        ),
    };
    let (old_current, new_current) = match current {
        None => (
            CurrentRevisionOption2060::NoStream2060(EMPTY),
            CurrentRevisionOption::CurrentNoStream(EMPTY),
        ),
        Some(revision) => (
            CurrentRevisionOption2060::CurrentRevision2060(revision),
            CurrentRevisionOption::CurrentRevision(revision),
        ),
    };
    WrongExpectedVersion {
        current_revision_option_20_6_0: Some(old_current),
        expected_revision_option_20_6_0: old_expected,
        current_revision_option: Some(new_current),
        expected_revision_option: Some(new_expected),
    }
}

//! `Delete` hides a stream until it is written again; `Tombstone` ends it for ever.

use tonic::Status;

use super::refusal::Refusal;
use super::wire::{self, EMPTY};
use crate::metadata;
use crate::proto::StreamIdentifier;
use crate::proto::streams::{
    DeleteReq, DeleteResp, TombstoneReq, TombstoneResp, delete_resp, tombstone_resp,
};
use crate::store::Store;
use crate::store::write::{Change, Expected, Write};

pub(crate) async fn delete(store: &Store, request: DeleteReq) -> Result<DeleteResp, Status> {
    use delete_resp::{Position, PositionOption};
    let options = request.options.unwrap_or_default();
    let expected = wire::expected(options.expected_stream_revision)?;
    let stream = options.stream_identifier;
    let position = end_stream(store, stream.as_ref(), expected, Change::SoftDelete).await?;
    let option = position.map_or(PositionOption::NoPosition(EMPTY), |position| {
        PositionOption::Position(Position { commit_position: position, prepare_position: position })
    });
    Ok(DeleteResp { position_option: Some(option) })
}

pub(crate) async fn tombstone(
    store: &Store,
    request: TombstoneReq,
) -> Result<TombstoneResp, Status> {
    use tombstone_resp::{Position, PositionOption};
    let options = request.options.unwrap_or_default();
    let expected = wire::expected(options.expected_stream_revision)?;
    let stream = options.stream_identifier;
    let position = end_stream(store, stream.as_ref(), expected, Change::Tombstone).await?;
    let option = position.map_or(PositionOption::NoPosition(EMPTY), |position| {
        PositionOption::Position(Position { commit_position: position, prepare_position: position })
    });
    Ok(TombstoneResp { position_option: Some(option) })
}

async fn end_stream(
    store: &Store,
    stream: Option<&StreamIdentifier>,
    expected: Expected,
    change: Change,
) -> Result<Option<u64>, Refusal> {
    let stream = wire::stream_name(stream)?;
    if metadata::described_by(&stream).is_some() {
        let reason = format!("stream {stream:?} holds metadata and cannot be deleted on its own");
        return Err(Refusal::Invalid(reason));
    }
    let write = Write { stream: stream.clone(), expected, change, deadline: None };
    match store.write(write).await {
        Ok(written) => Ok(written.position),
        Err(error) => Err(Refusal::Write { stream, expected, error }),
    }
}

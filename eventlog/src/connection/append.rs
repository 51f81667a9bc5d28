//! Appends: through one long-lived call, each retried under the same ids until its outcome is clear.

use std::sync::Arc;

use domain::{Position, Revision};
use eventstore::{
    AppendToStreamOptions, BatchAppendClient, BatchAppendOptions, EventData, StreamState,
};
use mutants::Mutant;
use tokio::time::Instant;
use uuid::Uuid;

use crate::LogError;
use crate::codec::Encoded;
use crate::connection::{
    ANSWER_MAX, Connection, Failure, GIVE_UP_AFTER, Link, RETRY_WITHIN, ours, retry_backoff,
};

/// How appends go out on a link.
#[derive(Default)]
pub(super) enum Writer {
    #[default]
    NotOpen,
    /// One call for all appends: a tenth of the cost of a call for each.
    Batch(Arc<BatchAppendClient>),
    /// The server has no such call.
    Single,
}

/// Which call an append takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The call that all streams share.
    Shared,
    /// A call of its own. The client crate ends the shared call at any conflict, and with it fail
    /// the appends of all other streams that are on their way; so a stream that conflicts often
    /// must not use it.
    Alone,
}

/// How an append is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) way: Way,
    /// Nobody waits for its outcome after this.
    pub(crate) deadline: Option<Instant>,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is in the log, once; this is the position of its last event.
    At(Position),
    /// Somebody else appended first, or the log cannot say where the events are: read what is new.
    Conflict,
}

impl Connection {
    /// Appends events to a stream that is at `expected`; none: that does not exist yet.
    ///
    /// When an outcome is unclear the same ids are sent again, which the log takes once.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when it stays unclear, [`LogError::TooLate`] when nobody waits for
    /// it any longer; the events may be in the log or not.
    pub(crate) async fn append(
        &self,
        stream: &str,
        expected: Option<Revision>,
        events: &[Encoded],
        Call { way, deadline }: Call,
    ) -> Result<Appended, LogError> {
        let mut data = events.iter().map(event_data).collect::<Result<Vec<_>, _>>()?;
        let started = Instant::now();
        metrics::counter!("log_appends_total").increment(1);
        let mut backoff = retry_backoff();
        let mut first = true;
        loop {
            let tried = self.try_append(stream, expected, data.clone(), way, first);
            // The first may be slow; those after it are only to bridge a short outage.
            let give_up = (!first).then_some(started + GIVE_UP_AFTER);
            let tried = match give_up.into_iter().chain(deadline).min() {
                None => tried.await,
                Some(end) => {
                    tokio::time::timeout_at(end, tried).await.unwrap_or(Err(Failure::NoAnswer))
                }
            };
            let too_late = deadline.is_some_and(|deadline| deadline <= Instant::now());
            match tried {
                Ok(position) if position == Position::default() => return Ok(Appended::Conflict),
                Ok(position) => {
                    metrics::histogram!("log_append_seconds").record(started.elapsed());
                    return Ok(Appended::At(position));
                }
                Err(Failure::Conflict) => return Ok(Appended::Conflict),
                Err(failure) if failure.is_unclear() && too_late => return Err(LogError::TooLate),
                Err(failure) if failure.is_unclear() && started.elapsed() < RETRY_WITHIN => {}
                Err(failure) => return Err(failure.into()),
            }
            first = false;
            if Mutant::OtherIds.is_made() {
                data = data.into_iter().map(|event| event.id(Uuid::new_v4())).collect();
            }
            backoff.wait().await;
        }
    }

    /// Gives the default position when the log does not tell one.
    async fn try_append(
        &self,
        stream: &str,
        expected: Option<Revision>,
        data: Vec<EventData>,
        way: Way,
        first: bool,
    ) -> Result<Position, Failure> {
        let link = self.link().await?;
        let (batch, result) = match link.answered(link.batch(way)).await {
            Err(failure) => (None, Err(failure)),
            Ok(Some(batch)) => {
                let call = batch.append_to_stream(stream, state_of(expected), data);
                let result = link.answered(call).await;
                let position = |it: eventstore::BatchWriteResult| it.current_position();
                let position = result.map(|it| position(it).map(ours).unwrap_or_default());
                (Some(batch), position)
            }
            Ok(None) => {
                let options = AppendToStreamOptions::default()
                    .stream_state(state_of(expected))
                    .deadline(ANSWER_MAX)
                    .requires_leader(true);
                let call = Box::pin(link.client.append_to_stream(stream, &options, data));
                (None, link.answered(call).await.map(|it| ours(it.position)))
            }
        };
        if let (Some(batch), Err(_)) = (&batch, &result) {
            link.close(batch).await;
        }
        if let Err(failure) = &result
            && failure.is_unclear()
        {
            // Perhaps only the shared call ended, because of another stream's conflict.
            let only_the_call = first && batch.is_some() && *failure != Failure::NoAnswer;
            if !only_the_call {
                self.discard(&link);
            }
        }
        result
    }
}

impl Link {
    /// The shared call, opened when it is not; none for a call of one's own.
    async fn batch(&self, way: Way) -> eventstore::Result<Option<Arc<BatchAppendClient>>> {
        if way == Way::Alone {
            return Ok(None);
        }
        let mut writer = self.writer.lock().await;
        match &*writer {
            Writer::Batch(batch) => return Ok(Some(Arc::clone(batch))),
            Writer::Single => return Ok(None),
            Writer::NotOpen => {}
        }
        let options = BatchAppendOptions::default().requires_leader(true);
        match Box::pin(self.client.batch_append(&options)).await {
            Ok(batch) => {
                let batch = Arc::new(batch);
                *writer = Writer::Batch(Arc::clone(&batch));
                Ok(Some(batch))
            }
            Err(eventstore::Error::UnsupportedFeature) => {
                *writer = Writer::Single;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// After any failure the client crate's shared call is over.
    async fn close(&self, batch: &Arc<BatchAppendClient>) {
        let mut writer = self.writer.lock().await;
        if matches!(&*writer, Writer::Batch(open) if Arc::ptr_eq(open, batch)) {
            *writer = Writer::NotOpen;
        }
    }
}

fn event_data(event: &Encoded) -> Result<EventData, LogError> {
    let unencodable = |error: serde_json::Error| LogError::Unencodable {
        event_type: event.event_type.clone(),
        reason: error.to_string(),
    };
    let data = EventData::json(&event.event_type, &event.body).map_err(unencodable)?;
    Ok(data.id(event.id).metadata(event.metadata.clone()))
}

fn state_of(expected: Option<Revision>) -> StreamState {
    match expected {
        _ if Mutant::AnyRevision.is_made() => StreamState::Any,
        None => StreamState::NoStream,
        Some(Revision(revision)) => StreamState::StreamRevision(revision),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_append_that_nobody_waits_for_any_more_is_given_up() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        let connection = Connection::new(&format!("kurrentdb://{address}?tls=false")).unwrap();
        let began = Instant::now();
        let deadline = Some(began + Duration::from_millis(50));
        let call = Call { way: Way::Shared, deadline };
        let appended = connection.append("ticket-1", None, &[], call).await;
        assert!(matches!(appended, Err(LogError::TooLate)), "{appended:?}");
        assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    }
}

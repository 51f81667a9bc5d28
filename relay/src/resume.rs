//! Where to go on, from what the stream and Postgres say; pure.

use domain::Position;

use crate::contract::FILTER;
use crate::halt::Halt;
use crate::message::Mark;
use crate::progress::Progress;

/// What is known of the stream itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamState {
    /// See [`Progress::created`].
    pub(crate) created: String,
    /// 0 when nothing was ever published.
    pub(crate) last_sequence: u64,
    pub(crate) last: Last,
    pub(crate) on_disk: bool,
    pub(crate) takes_batches: bool,
}

/// The last message of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// Nothing was ever published.
    Never,
    /// A limit on the stream has removed it.
    Gone,
    /// No relay published it.
    Foreign,
    Marked(Mark),
}

/// What was stored of an earlier run, read before the stream's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) checkpoint: Option<Position>,
    pub(crate) progress: Option<Progress>,
}

impl Stored {
    /// How many messages are known to have been published.
    pub(crate) fn published(&self) -> u64 {
        self.progress.as_ref().map_or(0, |progress| progress.sequence)
    }
}

/// The position after which nothing public has been published yet: the later of the last message's
/// and the checkpoint's, which moves on over what is not public too.
///
/// # Errors
/// [`Halt`], when the stream is not what the relays have made.
pub(crate) fn after(
    stream: &str,
    state: &StreamState,
    stored: &Stored,
    head: Option<Position>,
) -> Result<Option<Position>, Halt> {
    let stream = stream.to_owned();
    let (last, published) = (state.last_sequence, stored.published());
    if !state.on_disk {
        return Err(Halt::NotOnDisk { stream });
    }
    if !state.takes_batches {
        return Err(Halt::ServerTooOld { stream });
    }
    if published > 0 && stored.progress.as_ref().is_some_and(|then| then.created != state.created) {
        return Err(Halt::StreamRecreated { stream, published });
    }
    if last < published {
        return Err(Halt::StreamShorter { stream, last, published });
    }
    match state.last {
        Last::Never => Ok(stored.checkpoint),
        Last::Gone if published == last => Ok(stored.checkpoint),
        Last::Gone => Err(Halt::LastMessageGone { stream, last }),
        Last::Foreign => Err(Halt::ForeignMessage { stream, sequence: last }),
        Last::Marked(mark) if mark.ordinal != last => {
            Err(Halt::ForeignMessage { stream, sequence: last })
        }
        Last::Marked(mark) if mark.filter != FILTER => {
            Err(Halt::OtherFilter { stream, stream_filter: mark.filter })
        }
        Last::Marked(mark) if head.is_none_or(|head| head < mark.position) => {
            Err(Halt::AheadOfLog { stream, published: mark.position, head })
        }
        Last::Marked(mark) => Ok(Some(mark.position).max(stored.checkpoint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(commit: u64) -> Position {
        Position { commit, prepare: commit }
    }

    fn holding(last_sequence: u64, last: Last) -> StreamState {
        StreamState {
            created: "then".to_owned(),
            last_sequence,
            last,
            on_disk: true,
            takes_batches: true,
        }
    }

    fn marked(ordinal: u64, commit: u64) -> Last {
        Last::Marked(Mark { position: at(commit), ordinal, filter: FILTER })
    }

    fn stored(checkpoint: u64, created: &str, sequence: u64) -> Stored {
        Stored {
            checkpoint: Some(at(checkpoint)),
            progress: Some(Progress { created: created.to_owned(), sequence }),
        }
    }

    fn resume(state: &StreamState, stored: &Stored) -> Result<Option<Position>, String> {
        after("S", state, stored, Some(at(1_000))).map_err(|halt| {
            let text = format!("{halt:?}");
            text.split(' ').next().unwrap_or_default().to_owned()
        })
    }

    fn halts(state: &StreamState, stored: &Stored, with: &str) {
        assert_eq!(resume(state, stored), Err(with.to_owned()));
    }

    #[test]
    fn it_goes_on_after_the_later_of_the_last_message_and_the_checkpoint() {
        let fresh = Stored::default();
        assert_eq!(resume(&holding(0, Last::Never), &fresh), Ok(None));
        // The acknowledgement was lost, or Postgres was.
        assert_eq!(resume(&holding(7, marked(7, 70)), &fresh), Ok(Some(at(70))));
        assert_eq!(resume(&holding(7, marked(7, 70)), &stored(50, "then", 5)), Ok(Some(at(70))));
        // Nothing public since.
        assert_eq!(resume(&holding(7, marked(7, 70)), &stored(90, "then", 7)), Ok(Some(at(90))));
    }

    #[test]
    fn messages_that_a_limit_removed_are_no_loss_while_postgres_knows_of_them() {
        assert_eq!(resume(&holding(7, Last::Gone), &stored(90, "then", 7)), Ok(Some(at(90))));
        halts(&holding(8, Last::Gone), &stored(90, "then", 7), "LastMessageGone");
        halts(&holding(8, Last::Gone), &Stored::default(), "LastMessageGone");
    }

    #[test]
    fn it_halts_when_the_stream_is_not_what_relays_have_made() {
        let known = stored(90, "then", 7);
        halts(&holding(8, Last::Foreign), &known, "ForeignMessage");
        halts(&holding(9, marked(8, 95)), &known, "ForeignMessage");
        halts(&holding(6, marked(6, 60)), &known, "StreamShorter");
        halts(&holding(7, marked(7, 70)), &stored(90, "before", 7), "StreamRecreated");
        halts(&holding(0, Last::Never), &stored(90, "before", 7), "StreamRecreated");
        halts(&holding(8, marked(8, 1_001)), &known, "AheadOfLog");
        let other = Mark { position: at(95), ordinal: 8, filter: FILTER + 1 };
        halts(&holding(8, Last::Marked(other)), &known, "OtherFilter");
    }

    #[test]
    fn a_stream_in_which_nothing_was_published_may_be_created_anew() {
        let quiet = stored(90, "before", 0);
        assert_eq!(resume(&holding(0, Last::Never), &quiet), Ok(Some(at(90))));
    }
}

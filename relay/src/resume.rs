//! Where to go on, from what the stream and Postgres say; pure.

use domain::Position;

use crate::contract::FILTER;
use crate::halt::Halt;
use crate::message::Mark;
use crate::progress::Progress;
use crate::publish::Way;

/// What is known of the stream itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamState {
    /// See [`Progress::created`].
    pub(crate) created: String,
    /// 0 when nothing was ever published.
    pub(crate) last_sequence: u64,
    pub(crate) last: Last,
    pub(crate) on_disk: bool,
    pub(crate) way: Way,
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

    pub(crate) fn begins_after(&self) -> Option<Position> {
        self.progress.as_ref().and_then(|progress| progress.begins_after)
    }
}

/// Where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    /// Nothing public after this has been published yet.
    pub(crate) after: Option<Position>,
    /// How many events the stream's servers had acknowledged and lost again; they are published
    /// once more.
    pub(crate) lost: u64,
}

impl Resume {
    fn at(after: Option<Position>) -> Self {
        Self { after, lost: 0 }
    }
}

/// After the later of the last message's position and the checkpoint's, which moves on over what is
/// not public too. A stream that has lost its end is refilled from what is left of it.
///
/// # Errors
/// [`Halt`], when the stream is not what the relays have made.
pub(crate) fn after(
    stream: &str,
    state: &StreamState,
    stored: &Stored,
    head: Option<Position>,
) -> Result<Resume, Halt> {
    let stream = stream.to_owned();
    let (last, published) = (state.last_sequence, stored.published());
    if !state.on_disk {
        return Err(Halt::NotOnDisk { stream });
    }
    if published > 0 && stored.progress.as_ref().is_some_and(|then| then.created != state.created) {
        return Err(Halt::StreamRecreated { stream, published });
    }
    let lost = published.saturating_sub(last);
    match state.last {
        Last::Never if lost > 0 => Ok(Resume { after: stored.begins_after(), lost }),
        Last::Never => Ok(Resume::at(stored.checkpoint)),
        Last::Gone if published == last => Ok(Resume::at(stored.checkpoint)),
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
        Last::Marked(mark) if lost > 0 => Ok(Resume { after: Some(mark.position), lost }),
        Last::Marked(mark) => Ok(Resume::at(Some(mark.position).max(stored.checkpoint))),
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
            way: Way::Batches,
        }
    }

    fn marked(ordinal: u64, commit: u64) -> Last {
        Last::Marked(Mark { position: at(commit), ordinal, filter: FILTER })
    }

    fn stored(checkpoint: u64, created: &str, sequence: u64) -> Stored {
        Stored {
            checkpoint: Some(at(checkpoint)),
            progress: Some(Progress {
                created: created.to_owned(),
                sequence,
                ..Progress::default()
            }),
        }
    }

    fn resume(state: &StreamState, stored: &Stored) -> Result<Resume, String> {
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
        assert_eq!(resume(&holding(0, Last::Never), &fresh), Ok(Resume::at(None)));
        // The acknowledgement was lost, or Postgres was.
        assert_eq!(resume(&holding(7, marked(7, 70)), &fresh), Ok(Resume::at(Some(at(70)))));
        assert_eq!(
            resume(&holding(7, marked(7, 70)), &stored(50, "then", 5)),
            Ok(Resume::at(Some(at(70))))
        );
        // Nothing public since.
        assert_eq!(
            resume(&holding(7, marked(7, 70)), &stored(90, "then", 7)),
            Ok(Resume::at(Some(at(90))))
        );
    }

    #[test]
    fn messages_that_a_limit_removed_are_no_loss_while_postgres_knows_of_them() {
        assert_eq!(
            resume(&holding(7, Last::Gone), &stored(90, "then", 7)),
            Ok(Resume::at(Some(at(90))))
        );
        halts(&holding(8, Last::Gone), &stored(90, "then", 7), "LastMessageGone");
        halts(&holding(8, Last::Gone), &Stored::default(), "LastMessageGone");
    }

    #[test]
    fn it_halts_when_the_stream_is_not_what_relays_have_made() {
        let known = stored(90, "then", 7);
        halts(&holding(8, Last::Foreign), &known, "ForeignMessage");
        halts(&holding(9, marked(8, 95)), &known, "ForeignMessage");
        halts(&holding(7, marked(7, 70)), &stored(90, "before", 7), "StreamRecreated");
        halts(&holding(0, Last::Never), &stored(90, "before", 7), "StreamRecreated");
        halts(&holding(8, marked(8, 1_001)), &known, "AheadOfLog");
        let other = Mark { position: at(95), ordinal: 8, filter: FILTER + 1 };
        halts(&holding(8, Last::Marked(other)), &known, "OtherFilter");
    }

    #[test]
    fn a_stream_that_lost_its_end_is_refilled_from_what_is_left() {
        let known = stored(90, "then", 7);
        let left = Resume { after: Some(at(60)), lost: 1 };
        assert_eq!(resume(&holding(6, marked(6, 60)), &known), Ok(left));
        let nothing = Resume { after: None, lost: 7 };
        assert_eq!(resume(&holding(0, Last::Never), &known), Ok(nothing));
        let mut begun_late = known;
        begun_late.progress.as_mut().unwrap().begins_after = Some(at(30));
        let nothing = Resume { after: Some(at(30)), lost: 7 };
        assert_eq!(resume(&holding(0, Last::Never), &begun_late), Ok(nothing));
    }

    #[test]
    fn a_stream_in_which_nothing_was_published_may_be_created_anew() {
        let quiet = stored(90, "before", 0);
        assert_eq!(resume(&holding(0, Last::Never), &quiet), Ok(Resume::at(Some(at(90)))));
    }
}

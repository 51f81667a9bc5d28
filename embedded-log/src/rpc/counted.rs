//! Counted reads: so many events, then the end.

use std::ops::Bound;
use std::sync::Arc;

use super::read::{Answer, From, Pages, positions};
use super::refusal::Refusal;
use super::wire;
use crate::filter::Filter;
use crate::proto::streams::read_resp::Content;
use crate::store::format::Head;
use crate::store::pages::Reader;
use crate::store::reader::{self, Direction, Found};

/// From this on a client understands where the stream ends.
const COMPATIBILITY_STREAM_POSITIONS: u32 = 1;

/// A read of one stream as it was when the read began.
pub(crate) struct StreamRead {
    reader: Reader,
    stream: String,
    direction: Direction,
    /// `None` once there is nothing left to say.
    state: Option<StreamState>,
}

enum StreamState {
    NotFound,
    Reading {
        head: Head,
        /// The next revision to look at.
        revision: u64,
        /// Events the client still wants.
        left: u64,
        any_sent: bool,
        /// Whether to tell at the end where the stream ends.
        tells_end: bool,
    },
}

impl StreamRead {
    pub(crate) async fn open(
        reader: Reader,
        stream: String,
        from: From,
        direction: Direction,
        count: u64,
        compatibility: u32,
    ) -> Result<Self, Refusal> {
        let name = stream.clone();
        let found = reader.store().read(move |view| reader::find(view, &name)).await;
        let state = match found.map_err(Refusal::reading(format!("stream {stream:?}")))? {
            Found::Tombstone => return Err(Refusal::StreamDeleted(stream)),
            Found::Nothing => StreamState::NotFound,
            Found::Stream(head) => StreamState::Reading {
                revision: match from {
                    From::Start => 0,
                    From::At(revision) => revision,
                    From::End => u64::MAX,
                },
                left: count,
                any_sent: false,
                tells_end: direction == Direction::Forwards
                    && compatibility >= COMPATIBILITY_STREAM_POSITIONS,
                head,
            },
        };
        // Backwards from the start there is the first event only, which is what revision 0 asks for.
        Ok(Self { reader, stream, direction, state: Some(state) })
    }
}

impl Pages for StreamRead {
    async fn next(&mut self) -> Result<Option<Vec<Answer>>, Refusal> {
        let (head, mut revision, mut left, mut any_sent, tells_end) = match self.state.take() {
            None => return Ok(None),
            Some(StreamState::NotFound) => {
                let not_found = wire::stream_not_found(self.stream.clone());
                return Ok(Some(vec![Answer::message(not_found)]));
            }
            Some(StreamState::Reading { head, revision, left, any_sent, tells_end }) => {
                (head, revision, left, any_sent, tells_end)
            }
        };
        let direction = self.direction;
        let from = revision.min(head.end.last_revision.unwrap_or_default());
        let from = format!("revision {from}");
        let (head, page) = self
            .reader
            .page(move |view, room| {
                let page = reader::stream_page(view, &head, revision, direction, left, room)?;
                Ok((head, page))
            })
            .await
            .map_err(Refusal::reading(format!("stream {:?} from {from}", self.stream)))?;
        let sent = u64::try_from(page.records.len()).unwrap_or(u64::MAX);
        left = left.saturating_sub(sent);
        any_sent |= sent > 0;
        let next_revision = page.last_revision.and_then(|last| match direction {
            Direction::Forwards => last.checked_add(1),
            Direction::Backwards => last.checked_sub(1),
        });
        let mut answers: Vec<_> = page.records.into_iter().map(Answer::Event).collect();
        match next_revision {
            Some(next) if left > 0 && !page.exhausted => {
                revision = next;
                let state = StreamState::Reading { head, revision, left, any_sent, tells_end };
                self.state = Some(state);
            }
            Some(_) | None => answers.extend(stream_ends(&head, any_sent, tells_end)),
        }
        Ok(Some(answers))
    }

    fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }
}

/// What follows the last event of a forward read.
fn stream_ends(head: &Head, any_sent: bool, tells_end: bool) -> Vec<Answer> {
    let Some(last) = head.end.last_revision.filter(|_| tells_end) else { return Vec::new() };
    let first = (!any_sent).then(|| Content::FirstStreamPosition(head.first_visible()));
    let contents = first.into_iter().chain([Content::LastStreamPosition(last)]);
    contents.map(|content| Answer::message(wire::response(content))).collect()
}

/// A read of `$all` up to where it ended when the read began.
pub(crate) struct AllRead {
    reader: Reader,
    direction: Direction,
    filter: Arc<Filter>,
    /// The positions still to be looked at.
    range: (Bound<u64>, Bound<u64>),
    /// Events the client still wants.
    left: u64,
}

impl AllRead {
    pub(crate) fn open(
        reader: Reader,
        from: From,
        direction: Direction,
        filter: Arc<Filter>,
        count: u64,
    ) -> Self {
        let range = positions(from, direction, *reader.store().durable().borrow());
        Self { reader, direction, filter, range, left: count }
    }
}

impl Pages for AllRead {
    async fn next(&mut self) -> Result<Option<Vec<Answer>>, Refusal> {
        if self.left == 0 {
            return Ok(None);
        }
        let (range, direction, left) = (self.range, self.direction, self.left);
        let filter = Arc::clone(&self.filter);
        let page = self
            .reader
            .page(move |view, room| reader::all_page(view, range, direction, &filter, left, room))
            .await
            .map_err(Refusal::reading(beginning(range, direction)))?;
        if let Some(last) = page.seen.last() {
            match direction {
                Direction::Forwards => self.range.0 = Bound::Excluded(last.position),
                Direction::Backwards => self.range.1 = Bound::Excluded(last.position),
            }
        }
        let records = page.seen.into_iter().filter_map(|seen| seen.record);
        let answers: Vec<_> = records.map(Answer::Event).collect();
        let sent = u64::try_from(answers.len()).unwrap_or(u64::MAX);
        self.left = if page.exhausted { 0 } else { left.saturating_sub(sent) };
        Ok(Some(answers))
    }

    fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }
}

fn beginning((first, last): (Bound<u64>, Bound<u64>), direction: Direction) -> String {
    let edge = match direction {
        Direction::Forwards => first,
        Direction::Backwards => last,
    };
    match edge {
        Bound::Unbounded => "$all from its start".to_owned(),
        Bound::Included(position) => format!("$all from position {position}"),
        Bound::Excluded(position) => format!("$all next to position {position}"),
    }
}

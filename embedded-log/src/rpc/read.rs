//! `Read`: a stream or `$all`, either way, counted or as a subscription.

use std::ops::Bound;
use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use tonic::Status;

use super::counted::{AllRead, StreamRead};
use super::refusal::Refusal;
use super::subscribe::{AllSubscription, StreamSubscription};
use super::wire::{self, UuidForm};
use crate::filter::{Filter, Subject};
use crate::proto::streams::read_req::Options;
use crate::proto::streams::read_req::options::{
    AllOptions, CountOption, FilterOption, FilterOptions, ReadDirection, StreamOption,
    StreamOptions, all_options::AllOption, filter_options, stream_options::RevisionOption,
};
use crate::proto::streams::{ReadReq, ReadResp};
use crate::store::Store;
use crate::store::format::Record;
use crate::store::pages::Reader;
use crate::store::reader::Direction;

/// Considered events after which a filtered subscription tells where it is, unless the client says.
const CHECKPOINT_WINDOW_DEFAULT: u32 = 32;

/// Where a read begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    Start,
    End,
    /// A revision of a stream, or a position of `$all`.
    At(u64),
}

/// Something that answers a read page by page, as the client takes it.
pub(crate) trait Pages: Send + 'static {
    /// The next answers; `None` at the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<Answer>>, Refusal>> + Send;

    /// Who reads.
    fn reader(&mut self) -> &mut Reader;
}

/// Something a reader is told. An event is put into a message only when that is sent, as it takes
/// twice as much memory there.
pub(crate) enum Answer {
    Event(Record),
    Message(Box<ReadResp>),
}

impl Answer {
    pub(crate) fn message(message: ReadResp) -> Self {
        Self::Message(Box::new(message))
    }
}

pub(crate) type Responses = BoxStream<'static, Result<ReadResp, Status>>;

pub(crate) async fn read(store: &Store, request: ReadReq) -> Result<Responses, Refusal> {
    let mut options = request.options.ok_or_else(|| missing("the options"))?;
    let ids = UuidForm::requested(options.uuid_option.take());
    let direction = match options.read_direction() {
        ReadDirection::Forwards => Direction::Forwards,
        ReadDirection::Backwards => Direction::Backwards,
    };
    let count = match options.count_option.take() {
        Some(CountOption::Count(count)) => Some(count),
        Some(CountOption::Subscription(_)) if direction == Direction::Backwards => {
            let reason = "a subscription only goes forwards".to_owned();
            return Err(Refusal::Invalid(reason));
        }
        Some(CountOption::Subscription(_)) => None,
        None => return Err(missing("the count or subscription")),
    };
    match options.stream_option.take() {
        Some(StreamOption::Stream(stream)) => {
            read_stream(store, stream, &options, direction, count, ids).await
        }
        Some(StreamOption::All(all)) => read_all(store, all, options, direction, count, ids),
        None => Err(missing("the stream")),
    }
}

async fn read_stream(
    store: &Store,
    stream: StreamOptions,
    options: &Options,
    direction: Direction,
    count: Option<u64>,
    ids: UuidForm,
) -> Result<Responses, Refusal> {
    let name = wire::stream_name(stream.stream_identifier.as_ref())?;
    let from = match stream.revision_option {
        Some(RevisionOption::Revision(revision)) => From::At(revision),
        Some(RevisionOption::End(_)) => From::End,
        Some(RevisionOption::Start(_)) => From::Start,
        None => return Err(missing("the revision to start from")),
    };
    let compatibility = options.control_option.map_or(0, |option| option.compatibility);
    let reader = store.reader().ok_or(Refusal::TooManyReaders)?;
    match count {
        Some(count) => {
            let read = StreamRead::open(reader, name, from, direction, count, compatibility);
            Ok(respond(read.await?, ids))
        }
        None => Ok(respond(StreamSubscription::open(reader, name, from).await?, ids)),
    }
}

fn read_all(
    store: &Store,
    all: AllOptions,
    options: Options,
    direction: Direction,
    count: Option<u64>,
    ids: UuidForm,
) -> Result<Responses, Refusal> {
    let from = match all.all_option {
        Some(AllOption::Position(position)) => From::At(position.commit_position),
        Some(AllOption::End(_)) => From::End,
        Some(AllOption::Start(_)) => From::Start,
        None => return Err(missing("the position to start from")),
    };
    let (filter, window) = match options.filter_option {
        Some(FilterOption::Filter(filter)) => parse_filter(filter)?,
        Some(FilterOption::NoFilter(_)) | None => (Filter::everything(), None),
    };
    let reader = store.reader().ok_or(Refusal::TooManyReaders)?;
    let filter = Arc::new(filter);
    match count {
        Some(count) => Ok(respond(AllRead::open(reader, from, direction, filter, count), ids)),
        None => Ok(respond(AllSubscription::open(reader, from, filter, window), ids)),
    }
}

/// The filter, and how many considered events lie between two checkpoints.
fn parse_filter(options: FilterOptions) -> Result<(Filter, Option<u64>), Refusal> {
    use filter_options::Filter as Wire;
    use filter_options::Window;
    let window = match options.window {
        Some(Window::Max(max)) => max.max(1),
        Some(Window::Count(_)) | None => CHECKPOINT_WINDOW_DEFAULT,
    };
    let multiplier = options.checkpoint_interval_multiplier.max(1);
    let (subject, expression) = match options.filter {
        Some(Wire::StreamIdentifier(expression)) => (Subject::Stream, expression),
        Some(Wire::EventType(expression)) => (Subject::EventType, expression),
        None => return Err(missing("the filter's expression")),
    };
    let filter = Filter::new(subject, expression.prefix, &expression.regex)?;
    Ok((filter, Some(u64::from(window) * u64::from(multiplier))))
}

/// Turns pages into the stream of responses: a page is read when the client has taken the last one.
fn respond(pages: impl Pages, ids: UuidForm) -> Responses {
    futures::stream::try_unfold(pages, |mut pages| async move {
        pages.reader().has_taken_page();
        let page = pages.next().await?;
        let page = page.map(|page| futures::stream::iter(page).map(Ok));
        Ok::<_, Status>(page.map(|page| (page, pages)))
    })
    .try_flatten()
    .map_ok(move |answer| match answer {
        Answer::Event(record) => wire::event(record, ids),
        Answer::Message(message) => *message,
    })
    .boxed()
}

fn missing(what: &str) -> Refusal {
    Refusal::Invalid(format!("{what} of the read is missing"))
}

/// The positions a read of `$all` covers: forwards from its start inclusive, backwards exclusive,
/// and never past `durable`.
pub(crate) fn positions(
    from: From,
    direction: Direction,
    durable: u64,
) -> (Bound<u64>, Bound<u64>) {
    match direction {
        Direction::Forwards => {
            let first = match from {
                From::Start => Bound::Unbounded,
                From::At(position) => Bound::Included(position),
                From::End => Bound::Excluded(durable),
            };
            (first, Bound::Included(durable))
        }
        Direction::Backwards => {
            let last = match from {
                From::Start => Bound::Excluded(0),
                From::At(position) if position <= durable => Bound::Excluded(position),
                From::At(_) | From::End => Bound::Included(durable),
            };
            (Bound::Unbounded, last)
        }
    }
}

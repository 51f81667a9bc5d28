//! Short forms of what a raw read asks for.

use crate::proto::streams::read_req::Options;
use crate::proto::streams::read_req::options::{
    AllOptions, ControlOption, CountOption, FilterOption, FilterOptions, StreamOption,
    StreamOptions, SubscriptionOptions, UuidOption, all_options::AllOption, filter_options,
    stream_options::RevisionOption, uuid_option,
};
use crate::wire::{EMPTY, identifier};

/// Events of a stream from its start, with ids as text.
pub(crate) fn of_stream(stream: &str, from: RevisionOption, count: CountOption) -> Options {
    let options =
        StreamOptions { stream_identifier: Some(identifier(stream)), revision_option: Some(from) };
    Options { stream_option: Some(StreamOption::Stream(options)), ..common(count) }
}

/// Events of `$all` in streams whose names begin with `prefix`.
pub(crate) fn of_all(prefix: &str, from: AllOption, count: CountOption) -> Options {
    let window = filter_options::Window::Count(EMPTY);
    let filter = on_streams(prefix, window, 1);
    Options { filter_option: Some(FilterOption::Filter(filter)), ..of_all_unfiltered(from, count) }
}

/// Events of `$all`.
pub(crate) fn of_all_unfiltered(from: AllOption, count: CountOption) -> Options {
    let options = AllOptions { all_option: Some(from) };
    Options { stream_option: Some(StreamOption::All(options)), ..common(count) }
}

pub(crate) fn on_streams(
    prefix: &str,
    window: filter_options::Window,
    multiplier: u32,
) -> FilterOptions {
    let expression =
        filter_options::Expression { regex: String::new(), prefix: vec![prefix.to_owned()] };
    FilterOptions {
        checkpoint_interval_multiplier: multiplier,
        filter: Some(filter_options::Filter::StreamIdentifier(expression)),
        window: Some(window),
    }
}

pub(crate) fn subscription() -> CountOption {
    CountOption::Subscription(SubscriptionOptions {})
}

fn common(count: CountOption) -> Options {
    Options {
        count_option: Some(count),
        filter_option: Some(FilterOption::NoFilter(EMPTY)),
        uuid_option: Some(UuidOption { content: Some(uuid_option::Content::String(EMPTY)) }),
        control_option: Some(ControlOption { compatibility: 1 }),
        ..Options::default()
    }
}

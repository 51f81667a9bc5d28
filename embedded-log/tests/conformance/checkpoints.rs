//! Where a filtered subscription says it is, so that a reader of few events need not begin again.

use eventstore::StreamState;

use crate::proto::streams::ReadResp;
use crate::proto::streams::read_req::options::{
    AllOptions, CountOption, FilterOption, Position, StreamOption, all_options::AllOption,
    filter_options::Window,
};
use crate::proto::streams::read_resp::Content;
use crate::read_requests::{of_all, of_all_unfiltered, on_streams, subscription};
use crate::support::{Server, append, event, events, soon, stream};
use crate::wire::{EMPTY, Wire};

/// What a subscription sent up to and with `CaughtUp`.
#[derive(Debug, Default)]
struct CaughtUp {
    /// Positions of events and of checkpoints, as they came.
    events: Vec<u64>,
    checkpoints: Vec<u64>,
    position: u64,
}

async fn catch_up(answers: &mut tonic::Streaming<ReadResp>) -> CaughtUp {
    let mut caught_up = CaughtUp::default();
    let mut confirmed = false;
    loop {
        let answer = soon("an answer", answers.message()).await.unwrap().unwrap();
        match answer.content.unwrap() {
            Content::Confirmation(_) => confirmed = true,
            Content::Event(read) => {
                caught_up.events.push(read.event.unwrap().commit_position);
            }
            Content::Checkpoint(checkpoint) => {
                assert_eq!(checkpoint.commit_position, checkpoint.prepare_position);
                assert!(checkpoint.timestamp.is_some());
                caught_up.checkpoints.push(checkpoint.commit_position);
            }
            Content::CaughtUp(told) => {
                assert!(confirmed && told.timestamp.is_some() && told.stream_revision.is_none());
                caught_up.position = told.position.unwrap().commit_position;
                return caught_up;
            }
            other => panic!("{other:?}"),
        }
    }
}

fn at(position: u64) -> AllOption {
    AllOption::Position(Position { commit_position: position, prepare_position: position })
}

async fn subscribe(
    wire: &Wire,
    prefix: &str,
    from: AllOption,
    window: Window,
    multiplier: u32,
) -> tonic::Streaming<ReadResp> {
    let mut options = of_all(prefix, from, subscription());
    options.filter_option = Some(FilterOption::Filter(on_streams(prefix, window, multiplier)));
    wire.subscribe(options).await.unwrap()
}

/// Positions of everything in the log after `from`.
async fn everything_after(wire: &Wire, from: u64) -> Vec<u64> {
    let mut options = of_all_unfiltered(at(from), CountOption::Count(1_000_000));
    options.stream_option = Some(StreamOption::All(AllOptions { all_option: Some(at(from)) }));
    let contents = wire.read(options).await.unwrap();
    let positions = contents.into_iter().filter_map(|content| match content {
        Content::Event(read) => Some(read.event.unwrap().commit_position),
        _ => None,
    });
    positions.filter(|position| *position > from).collect()
}

#[tokio::test]
async fn between_two_checkpoints_lie_no_more_events_than_the_window_allows() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let client = &server.client;
    let (followed, noise) = (stream("followed"), stream("noise"));
    let start = append(client, &noise, StreamState::Any, events(0..1)).await.unwrap();
    let start = start.position.commit;
    append(client, &followed, StreamState::Any, events(0..3)).await.unwrap();
    append(client, &noise, StreamState::Any, events(1..300)).await.unwrap();
    append(client, &followed, StreamState::Any, events(3..5)).await.unwrap();

    let windows = [
        (Window::Count(EMPTY), 1, 32),
        (Window::Max(10), 1, 10),
        (Window::Max(10), 3, 30),
        (Window::Max(1), 1, 1),
        (Window::Max(1_000), 1_000, 1_000_000),
    ];
    for (window, multiplier, considered_max) in windows {
        let mut answers = subscribe(&wire, &followed, at(start), window, multiplier).await;
        let caught_up = catch_up(&mut answers).await;
        assert_eq!(caught_up.events.len(), 5);
        let checkpoints = &caught_up.checkpoints;
        assert!(!checkpoints.is_empty(), "at least one, on reaching the end");
        assert!(checkpoints.windows(2).all(|pair| pair[0] < pair[1]), "{checkpoints:?}");
        assert!(*checkpoints.last().unwrap() >= *caught_up.events.last().unwrap());
        assert!(caught_up.position >= *caught_up.events.last().unwrap());

        let everything = everything_after(&wire, start).await;
        let mut earlier = start;
        for checkpoint in checkpoints {
            let between = everything.iter().filter(|at| **at > earlier && *at <= checkpoint);
            let considered = between.count();
            assert!(considered <= considered_max, "{considered} of {considered_max}");
            earlier = *checkpoint;
        }
    }
}

#[tokio::test]
async fn a_checkpoint_falls_after_every_full_window_exactly() {
    let Some(server) = Server::ours("others may write between").await else { return };
    let wire = server.wire().await;
    let noise = stream("noise");
    append(&server.client, &noise, StreamState::Any, events(0..100)).await.unwrap();
    let everything = everything_after(&wire, 0).await;
    assert_eq!(everything.len(), 100);
    for (window, multiplier, step) in
        [(Window::Count(EMPTY), 1, 32), (Window::Max(20), 2, 40), (Window::Max(50), 1, 50)]
    {
        let start = AllOption::Start(EMPTY);
        let mut answers = subscribe(&wire, "nothing-", start, window, multiplier).await;
        let caught_up = catch_up(&mut answers).await;
        let mut wanted: Vec<_> = everything.chunks_exact(step).map(|full| full[step - 1]).collect();
        if wanted.last() != everything.last() {
            wanted.extend(everything.last());
        }
        assert_eq!(caught_up.checkpoints, wanted, "the last one stands for the end");
        assert_eq!(caught_up.position, *everything.last().unwrap());
    }
}

#[tokio::test]
async fn a_live_subscription_that_sees_nothing_still_moves_on() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let noise = stream("noise");
    let before = append(&server.client, &noise, StreamState::Any, events(0..1)).await.unwrap();
    let from = at(before.position.commit);
    let mut answers = subscribe(&wire, &stream("quiet"), from, Window::Max(10), 1).await;
    let caught_up = catch_up(&mut answers).await;
    let mut last = caught_up.checkpoints.last().copied().unwrap_or(before.position.commit);
    let end = append(&server.client, &noise, StreamState::Any, events(1..41)).await.unwrap();
    let mut found = 0;
    while found < 4 {
        let answer = soon("a checkpoint", answers.message()).await.unwrap().unwrap();
        if let Some(Content::Checkpoint(checkpoint)) = answer.content {
            assert!(checkpoint.commit_position > last, "never the same twice");
            last = checkpoint.commit_position;
            found += 1;
        }
    }
    assert!(last > before.position.commit && last <= end.position.commit);
}

#[tokio::test]
async fn whoever_resumes_from_a_checkpoint_gets_what_came_after_it_and_that_only() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let client = &server.client;
    let (followed, noise) = (stream("followed"), stream("noise"));
    let start = append(client, &noise, StreamState::Any, events(0..1)).await.unwrap();
    let mut positions = Vec::new();
    for number in 0..6 {
        let written =
            append(client, &followed, StreamState::Any, vec![event(number)]).await.unwrap();
        positions.push(written.position.commit);
        append(client, &noise, StreamState::Any, events(0..7)).await.unwrap();
    }
    let from = at(start.position.commit);
    let caught_up = catch_up(&mut subscribe(&wire, &followed, from, Window::Max(5), 1).await).await;
    assert_eq!(caught_up.events, positions);
    for checkpoint in caught_up.checkpoints {
        let mut resumed = subscribe(&wire, &followed, at(checkpoint), Window::Max(5), 1).await;
        let rest: Vec<_> = positions.iter().copied().filter(|at| *at > checkpoint).collect();
        assert_eq!(catch_up(&mut resumed).await.events, rest);
    }
}

#[tokio::test]
async fn without_a_filter_there_are_no_checkpoints() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let noise = stream("noise");
    let start = append(&server.client, &noise, StreamState::Any, events(0..1)).await.unwrap();
    let end = append(&server.client, &noise, StreamState::Any, events(1..100)).await.unwrap();
    let from = at(start.position.commit);
    let options = of_all_unfiltered(from, subscription());
    let caught_up = catch_up(&mut wire.subscribe(options).await.unwrap()).await;
    assert!(caught_up.checkpoints.is_empty());
    assert!(caught_up.events.len() >= 99 && caught_up.position >= end.position.commit);
}

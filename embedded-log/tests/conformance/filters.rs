//! Which events of `$all` a filter lets pass.

use std::time::{Duration, Instant};

use eventstore::{Error, ReadAllOptions, StreamPosition, StreamState, SubscriptionFilter};

use crate::support::{Server, append, event, number, stream, typed_event};

/// What official clients send to leave the server's own events out: the Rust and the JavaScript
/// client the first, the Python client one that begins as the second does.
const NO_SYSTEM_EVENTS: [&str; 2] = [r"^[^\$].*", r"^(?!(\$.+$)|(PersistentConfig[0-9]+$))"];

fn on_stream() -> SubscriptionFilter {
    SubscriptionFilter::on_stream_name()
}

fn on_type() -> SubscriptionFilter {
    SubscriptionFilter::on_event_type()
}

/// The numbers of all events that pass, from `position` on.
async fn passing(
    server: &Server,
    from: StreamPosition<eventstore::Position>,
    filter: SubscriptionFilter,
) -> eventstore::Result<Vec<u64>> {
    let options =
        ReadAllOptions::default().position(from).forwards().filter(filter).max_count(100_000);
    let mut reading = server.client.read_all(&options).await?;
    let mut numbers = Vec::new();
    while let Some(event) = reading.next().await? {
        // Beside those of the tests a log holds metadata of its streams, and whatever else.
        if event.get_original_event().data.len() == size_of::<u64>() {
            numbers.push(number(&event));
        }
    }
    Ok(numbers)
}

#[tokio::test]
async fn prefixes_and_patterns_choose_by_stream_or_type() {
    let server = Server::start().await;
    let prefix = stream("chosen");
    let (one, other) = (format!("{prefix}-one"), format!("{prefix}-other"));
    let (alpha, beta) = (format!("{prefix}-Alpha"), format!("{prefix}-Beta.v2"));
    let client = &server.client;
    let batch = vec![typed_event(&alpha, 0), typed_event(&beta, 1)];
    let first = append(client, &one, StreamState::Any, batch).await.unwrap();
    let batch = vec![typed_event(&alpha, 2), typed_event(&beta, 3), typed_event(&beta, 4)];
    append(client, &other, StreamState::Any, batch).await.unwrap();

    let table: [(SubscriptionFilter, &[u64]); 16] = [
        (on_stream().add_prefix(&one), &[0, 1]),
        (on_stream().add_prefix(&one).add_prefix(&other), &[0, 1, 2, 3, 4]),
        (on_stream().add_prefix(&prefix), &[0, 1, 2, 3, 4]),
        (on_stream().add_prefix(&prefix[1..]), &[]),
        (on_stream().add_prefix(prefix.to_uppercase()), &[]),
        (on_stream().regex(format!("^{prefix}-o(?!ther)")), &[0, 1]),
        (on_stream().regex(format!("^(?=.*other$){prefix}")), &[2, 3, 4]),
        (on_stream().regex(&prefix), &[0, 1, 2, 3, 4]),
        (on_stream().regex(format!("^{}", &prefix[1..])), &[]),
        (on_stream().regex(format!(r"^{prefix}-(one|two)$")), &[0, 1]),
        (on_type().add_prefix(&alpha), &[0, 2]),
        (on_type().add_prefix(&alpha).add_prefix(&beta), &[0, 1, 2, 3, 4]),
        (on_type().add_prefix(&one), &[]),
        (on_type().regex(format!(r"^{prefix}-.*\.v\d+$")), &[1, 3, 4]),
        (on_type().regex(format!(r"^(?!.*Beta){prefix}")), &[0, 2]),
        (on_type().regex("^nothing-is-called-this"), &[]),
    ];
    assert!(first.position.commit > 0);
    for (filter, numbers) in table {
        let label = format!("{filter:?}");
        let passed = passing(&server, StreamPosition::Start, filter).await.unwrap();
        assert_eq!(passed, numbers, "{label}");
    }
}

#[tokio::test]
async fn system_events_can_be_left_out() {
    let server = Server::start().await;
    let client = &server.client;
    let first = append(client, &stream("seen"), StreamState::Any, vec![event(7)]).await.unwrap();
    let from = StreamPosition::Position(first.position);
    let metadata = eventstore::StreamMetadataBuilder::new().max_count(9).build();
    for _ in 0..3 {
        let described = stream("described");
        client.set_stream_metadata(&*described, &Default::default(), &metadata).await.unwrap();
    }
    for pattern in NO_SYSTEM_EVENTS {
        for (filter, by_type) in [(on_stream(), false), (on_type(), true)] {
            let filter = filter.regex(pattern);
            let options = ReadAllOptions::default().position(from).filter(filter).max_count(1000);
            let mut reading = client.read_all(&options).await.unwrap();
            let mut found = 0;
            while let Some(event) = reading.next().await.unwrap() {
                let event = event.get_original_event();
                let name = if by_type { &*event.event_type } else { event.stream_id() };
                assert!(!name.starts_with('$'), "{pattern}: {name}");
                found += 1;
            }
            assert!(found > 0, "{pattern}");
        }
    }
}

#[tokio::test]
async fn a_pattern_that_cannot_be_read_is_refused() {
    let server = Server::start().await;
    for pattern in ["(unclosed", "[z-a]", "*"] {
        let options = ReadAllOptions::default().filter(on_stream().regex(pattern));
        let refused = server.client.read_all(&options).await;
        let is_invalid =
            matches!(refused, Err(Error::Grpc { code: tonic::Code::InvalidArgument, .. }));
        assert!(is_invalid, "{pattern}");
    }
}

#[tokio::test]
async fn a_filter_has_a_size() {
    let Some(server) = Server::ours("another server has other limits").await else { return };
    let many = (0..300).fold(on_stream(), |filter, index| filter.add_prefix(format!("p{index}")));
    let nested = format!("{}a{}", "(".repeat(2000), ")".repeat(2000));
    let wide = "(a{1000}){1000}".to_owned();
    let too_large = [
        many,
        on_stream().regex("x".repeat(9_000)),
        on_stream().regex(nested),
        on_stream().regex(wide),
    ];
    for filter in too_large {
        let options = ReadAllOptions::default().filter(filter);
        let refused = server.client.read_all(&options).await;
        let is_invalid =
            matches!(refused, Err(Error::Grpc { code: tonic::Code::InvalidArgument, .. }));
        assert!(is_invalid);
    }
}

/// Patterns for which the steps double with each letter of a name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pattern_that_would_take_for_ever_ends_and_holds_nobody_up() {
    let Some(server) = Server::ours("another server has its own way out").await else { return };
    let client = &server.client;
    let name = format!("{}!", "a".repeat(60));
    append(client, &name, StreamState::Any, (0..20).map(event).collect()).await.unwrap();
    for pattern in [r"^(?=(a+)+$)", r"^(a|aa)+\1$", r"^(?:(a*)*)\1b$"] {
        let reading = passing(&server, StreamPosition::Start, on_stream().regex(pattern));
        let writing = async {
            let started = Instant::now();
            append(client, &stream("beside"), StreamState::Any, vec![event(0)]).await.unwrap();
            started.elapsed()
        };
        let started = Instant::now();
        let (read, written) = tokio::join!(reading, writing);
        assert!(read.is_ok(), "{pattern}: {read:?}");
        assert!(started.elapsed() < Duration::from_secs(10), "{pattern}: {:?}", started.elapsed());
        assert!(written < Duration::from_secs(5), "{pattern}: {written:?}");
    }
}

//! A log that is served by TLS only, and only to those who know the password.

use embedded_log::testing::{PASSWORD, TestLog, USER};
use eventstore::{
    Client, Error, ReadAllOptions, StreamMetadataBuilder, StreamPosition, StreamState,
    SubscribeToAllOptions, SubscriptionEvent,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use crate::proto::event_store::client::Empty;
use crate::proto::gossip::ClusterInfo;
use crate::proto::server_features::SupportedMethods;
use crate::support::{append, connect, event, events, number, read, soon, stream};
use crate::wire::{Expected::NoStream, Wire, append_requests, proposed, trailer};

/// What stands before the host of the connection string.
fn as_somebody(log: &TestLog, credentials: &str) -> String {
    log.connection_string().replace(&format!("{USER}:{PASSWORD}@"), credentials)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_tls_and_with_the_password_a_client_does_everything() {
    let log = TestLog::start_guarded().await;
    let found = log.connection_string().replacen("://", "+discover://", 1);
    for connection_string in [log.connection_string(), found] {
        let client = connect(&connection_string);
        let stream = stream("guarded");
        append(&client, &stream, StreamState::NoStream, events(0..2)).await.unwrap();
        let batch = client.batch_append(&Default::default()).await.unwrap();
        let state = StreamState::StreamRevision(1);
        batch.append_to_stream(&stream, state, events(2..4)).await.unwrap();
        assert_eq!(read(&client, &stream).await.unwrap().len(), 4);

        let from = SubscribeToAllOptions::default().position(StreamPosition::End);
        let mut subscription = client.subscribe_to_all(&from).await;
        loop {
            let next = soon("it catches up", subscription.next_subscription_event()).await;
            if let SubscriptionEvent::CaughtUp(_) = next.unwrap() {
                break;
            }
        }
        append(&client, &stream, StreamState::StreamRevision(3), vec![event(4)]).await.unwrap();
        assert_eq!(number(&soon("the live event", subscription.next()).await.unwrap()), 4);
        client.delete_stream(&*stream, &Default::default()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_password_nothing_is_written_and_nothing_is_read() {
    let log = TestLog::start_guarded().await;
    let proper = connect(&log.connection_string());
    append(&proper, "there", StreamState::NoStream, events(0..2)).await.unwrap();
    for credentials in ["", "ann:wrong@", "bob:not-secret@", "ann:@"] {
        let client = connect(&as_somebody(&log, credentials));
        for error in everything_refused(&client).await {
            assert!(matches!(error, Error::AccessDenied), "{credentials:?}: {error:?}");
        }
        let batch = client.batch_append(&Default::default()).await.unwrap();
        let late = batch.append_to_stream("there", StreamState::Any, events(2..4));
        assert!(soon("an answer", late).await.is_err(), "{credentials:?}");
    }
    let mut all = proper.read_all(&ReadAllOptions::default()).await.unwrap();
    let mut found = 0;
    while all.next().await.unwrap().is_some() {
        found += 1;
    }
    assert_eq!(found, 2);
}

async fn everything_refused(client: &Client) -> Vec<Error> {
    let metadata = StreamMetadataBuilder::new().max_count(1).build();
    let mut subscription = client.subscribe_to_stream("there", &Default::default()).await;
    vec![
        append(client, "there", StreamState::Any, vec![event(0)]).await.unwrap_err(),
        read(client, "there").await.unwrap_err(),
        client.read_all(&Default::default()).await.map(drop).unwrap_err(),
        client.delete_stream("there", &Default::default()).await.unwrap_err(),
        client.tombstone_stream("there", &Default::default()).await.unwrap_err(),
        client.set_stream_metadata("there", &Default::default(), &metadata).await.unwrap_err(),
        soon("an answer", subscription.next()).await.map(drop).unwrap_err(),
    ]
}

/// The two ways in which `KurrentDB` says so; clients look at the code or at the trailer.
#[tokio::test]
async fn a_refusal_says_what_is_missing_and_finding_a_node_takes_no_password() {
    let log = TestLog::start_guarded().await;
    let authority = std::fs::read(log.directory().join("authority.pem")).unwrap();
    let wire = Wire::connect_by_tls(log.address().port(), &authority).await;
    // `ann:wrong` and `ann:not-secret`.
    for (header, code, hint) in [
        (None, Some(Code::PermissionDenied), "user:password@"),
        (Some("Basic YW5uOndyb25n"), Some(Code::Unauthenticated), "wrong"),
        (Some("Bearer YW5uOm5vdC1zZWNyZXQ="), Some(Code::Unauthenticated), "wrong"),
        (Some("Basic YW5uOm5vdC1zZWNyZXQ="), None, ""),
    ] {
        let wire = wire.clone().with_authorization(header);
        let events = vec![proposed(uuid::Uuid::new_v4(), 1)];
        let appended = wire.append(append_requests(&stream("s"), NoStream, events)).await;
        let Some(code) = code else {
            appended.unwrap();
            continue;
        };
        let status = appended.unwrap_err();
        assert_eq!(status.code(), code, "{header:?}");
        assert_eq!(trailer(&status, "exception"), "access-denied");
        assert!(status.message().contains(hint), "{header:?}: {}", status.message());
    }
    let features = "event_store.client.server_features.ServerFeatures/GetSupportedMethods";
    assert!(wire.call::<_, SupportedMethods>(features, vec![Empty {}]).await.is_ok());
    let gossip = "event_store.client.gossip.Gossip/Read";
    assert!(wire.call::<_, ClusterInfo>(gossip, vec![Empty {}]).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_trust_the_certificate_or_speaks_no_tls_gets_no_connection() {
    let log = TestLog::start_guarded().await;
    // One that never says anything must not keep others out.
    let silent = TcpStream::connect(log.address()).await.unwrap();
    let trusted = log.connection_string();
    let (host, rest) = trusted.split_once("&tlsCaFile=").unwrap();
    let untrusting = format!("{host}&{}", rest.split_once('&').unwrap().1);
    for strange in [untrusting, trusted.replace("tls=true", "tls=false")] {
        let refused = append(&connect(&strange), "s", StreamState::Any, vec![event(0)]).await;
        assert!(refused.is_err(), "{strange}: {refused:?}");
    }
    let mut noise = TcpStream::connect(log.address()).await.unwrap();
    noise.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = soon("the server hangs up", noise.read_to_end(&mut answer)).await;
    append(&connect(&trusted), "s", StreamState::NoStream, vec![event(0)]).await.unwrap();
    drop(silent);
}

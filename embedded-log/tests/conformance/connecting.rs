//! What a client asks before anything else, and what it is told of what is not here.

use embedded_log::{Options, ServeError};
use eventstore::StreamState;
use tokio::net::TcpListener;
use tonic::Code;

use crate::proto::event_store::client::Empty;
use crate::proto::gossip::{ClusterInfo, member_info::VNodeState};
use crate::proto::server_features::SupportedMethods;
use crate::support::{Server, append, connect, events, stream};
use crate::wire::Wire;

#[tokio::test]
async fn the_methods_are_listed_as_clients_compare_them() {
    let server = Server::start().await;
    let method = "event_store.client.server_features.ServerFeatures/GetSupportedMethods";
    let answers: Vec<SupportedMethods> =
        server.wire().await.call(method, vec![Empty {}]).await.unwrap();
    let numbers = answers[0].event_store_server_version.split(['.', '-']).map(str::parse::<u32>);
    assert!(numbers.take(2).all(|number| number.is_ok()), "a version clients can read");
    let features = |name: &str| {
        let streams = "event_store.client.streams.streams";
        answers[0]
            .methods
            .iter()
            .find(|method| method.service_name == streams && method.method_name == name)
            .map(|method| method.features.clone())
    };
    for name in ["read", "append", "batchappend", "delete", "tombstone"] {
        assert!(features(name).is_some(), "{name}");
    }
    assert!(features("read").unwrap().contains(&"position".to_owned()));
    assert!(features("batchappend").unwrap().contains(&"deadline_duration".to_owned()));
}

#[tokio::test]
async fn gossip_tells_of_one_leader_that_is_alive_at_an_address_that_serves() {
    let Some(server) = Server::ours("a cluster has more members").await else { return };
    let wire = server.wire().await;
    for _ in 0..2 {
        let method = "event_store.client.gossip.Gossip/Read";
        let answers: Vec<ClusterInfo> = wire.call(method, vec![Empty {}]).await.unwrap();
        let [member] = &answers[0].members[..] else { panic!("{answers:?}") };
        assert!(member.is_alive && member.instance_id.is_some() && member.time_stamp > 0);
        assert_eq!(member.state, i32::from(VNodeState::Leader));
        let end_point = member.http_end_point.as_ref().unwrap();
        assert_eq!(format!("{}:{}", end_point.address, end_point.port), server.authority());
    }
}

#[tokio::test]
async fn gossip_tells_the_address_it_is_told_to_tell() {
    let folder = tempfile::tempdir().unwrap();
    let open = |advertised: &str| {
        let mut options = Options::new(folder.path());
        options.advertised = Some(advertised.to_owned());
        embedded_log::Server::open(options).unwrap()
    };
    let listen = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
    for bad in ["", "host", "host:", ":2113", "host:port", "host:70000"] {
        let refused = open(bad).serve(listen().await, std::future::pending()).await;
        assert!(matches!(refused, Err(ServeError::Advertised(_))), "{bad}: {refused:?}");
    }
    let listener = listen().await;
    let bound = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = open("log.example:4711").serve(listener, async { drop(stopped.await) });
    let serving = tokio::spawn(serving);
    let wire = Wire::connect(&bound).await;
    let method = "event_store.client.gossip.Gossip/Read";
    let answers: Vec<ClusterInfo> = wire.call(method, vec![Empty {}]).await.unwrap();
    let end_point = answers[0].members[0].http_end_point.as_ref().unwrap();
    assert_eq!((&*end_point.address, end_point.port), ("log.example", 4711));
    drop((wire, stop));
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_discovers_its_node_finds_it() {
    let server = Server::start().await;
    let found = server.connection_string().replacen("://", "+discover://", 1);
    if server.connection_string().contains("+discover") {
        println!("skipped: the connection string discovers already");
        return;
    }
    for preference in ["leader", "random", "follower"] {
        let client = connect(&format!("{found}&nodePreference={preference}"));
        append(&client, &stream("found"), StreamState::NoStream, events(0..1)).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_here_is_unimplemented_and_the_message_names_what_to_use() {
    let Some(server) = Server::ours("another server may have them").await else { return };
    let wire = server.wire().await;
    let persistent = "event_store.client.persistent_subscriptions.PersistentSubscriptions";
    let table = [
        (format!("{persistent}/Create"), "catch-up subscription"),
        (format!("{persistent}/Read"), "catch-up subscription"),
        (format!("{persistent}/ReplayParked"), "catch-up subscription"),
        ("event_store.client.projections.Projections/Create".to_owned(), "filter"),
        ("event_store.client.users.Users/Create".to_owned(), "where it is started"),
        ("event_store.client.operations.Operations/StartScavenge".to_owned(), "scavenge"),
        ("event_store.client.operations.Operations/Shutdown".to_owned(), "end its process"),
        ("event_store.client.redaction.Redaction/GetEventPositions".to_owned(), "forget the key"),
        ("kurrentdb.protocol.v2.indexes.IndexesService/ListIndexes".to_owned(), "filter"),
        ("event_store.client.monitoring.Monitoring/Stats".to_owned(), "metrics"),
        ("kurrentdb.protocol.v2.streams.StreamsService/AppendSession".to_owned(), "BatchAppend"),
        ("event_store.client.Elsewhere/Anything".to_owned(), "Streams"),
    ];
    for (method, hint) in table {
        let refused = wire.call::<Empty, Empty>(&method, vec![Empty {}]).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{method}");
        assert!(refused.message().contains(&method), "{}", refused.message());
        assert!(refused.message().contains(hint), "{}", refused.message());
    }
}

#[tokio::test]
async fn the_official_client_takes_it_for_an_unsupported_feature_and_lives_on() {
    let Some(server) = Server::ours("another server may have them").await else { return };
    let client = &server.client;
    let refused = client.create_persistent_subscription("s", "group", &Default::default()).await;
    assert!(matches!(refused, Err(eventstore::Error::UnsupportedFeature)), "{refused:?}");
    append(client, &stream("on"), StreamState::NoStream, events(0..1)).await.unwrap();
}

#[tokio::test]
async fn credentials_and_a_wish_for_the_leader_do_no_harm() {
    let Some(server) = Server::ours("another server may check them").await else { return };
    let authority = server.authority();
    let string = format!("kurrentdb://admin:changeit@{authority}?tls=false&discoveryInterval=20");
    let client = connect(&format!("{string}&nodePreference=leader&connectionName=test"));
    append(&client, &stream("named"), StreamState::NoStream, events(0..1)).await.unwrap();
}

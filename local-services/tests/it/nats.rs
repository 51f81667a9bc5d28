use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use local_services::testing::{TestFolder, TestNats};
use local_services::{Durability, Nats, ServiceError};

/// What the server says first of all to a client.
pub(crate) fn greeting(url: &str) -> std::io::Result<String> {
    let stream = TcpStream::connect(url.trim_start_matches("nats://"))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}

#[tokio::test]
async fn a_durable_server_has_jetstream_and_keeps_its_address_over_a_restart() {
    let folder = TestFolder::new();
    // A name that has to be quoted in the server's configuration.
    let directory = folder.path().join("a \"quoted\" folder");
    let nats = Nats::start(&directory, Durability::Durable).await.unwrap();
    let url = nats.url();
    assert!(greeting(&url).unwrap().contains("\"jetstream\":true"));
    nats.stop().await;
    assert!(greeting(&url).is_err());

    let nats = Nats::start(&directory, Durability::Durable).await.unwrap();
    assert_eq!(nats.url(), url);
    assert!(directory.join("jetstream").is_dir());
}

#[tokio::test]
async fn a_directory_in_use_is_refused() {
    let folder = TestFolder::new();
    let _first = Nats::start(folder.path(), Durability::Throwaway).await.unwrap();
    let refused = Nats::start(folder.path(), Durability::Throwaway).await.unwrap_err();
    assert!(matches!(refused, ServiceError::InUse { .. }), "{refused}");
}

#[tokio::test]
async fn a_server_that_does_not_start_is_quoted() {
    let folder = TestFolder::new();
    // A file where the store should be a folder.
    std::fs::write(folder.path().join("jetstream"), "").unwrap();
    let refused = Nats::start(folder.path(), Durability::Throwaway).await.unwrap_err();
    assert!(matches!(refused, ServiceError::NotStarted { .. }), "{refused}");
    assert!(!refused.to_string().contains('\n'), "{refused}");
}

#[tokio::test]
async fn a_test_may_take_it_away_and_bring_it_back() {
    let mut nats = TestNats::start().await;
    nats.stop().await;
    assert!(greeting(nats.url()).is_err());
    nats.start_again().await;
    greeting(nats.url()).unwrap();
}

/// The password is the relay's alone, and stays the same.
#[tokio::test]
async fn a_durable_server_knows_the_relay_by_a_password() {
    let folder = TestFolder::new();
    let nats = Nats::start(folder.path(), Durability::Durable).await.unwrap();
    let relay_url = nats.relay_url();
    assert!(relay_url.starts_with("nats://relay:") && relay_url != nats.url(), "{relay_url}");
    nats.stop().await;
    let nats = Nats::start(folder.path(), Durability::Durable).await.unwrap();
    assert_eq!(nats.relay_url(), relay_url);
    for secret in ["relay.password", "server.conf"] {
        let mode = std::fs::metadata(folder.path().join(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{secret} can be read by others");
    }
}

//! `ticketing relay` and `ticketing events` beside a running `ticketing up`.

use std::path::Path;

use local_services::testing::TestFolder;
use serde_json::Value;
use tokio::process::Command;

use crate::program::{Program, address, outcome, running, ticketing, until, up};
use crate::shopper::Shopper;

fn beside(data: &Path, arguments: &[&str]) -> Command {
    let (own, rest) = match arguments.iter().position(|it| *it == "--") {
        Some(at) => arguments.split_at(at),
        None => (arguments, &[][..]),
    };
    let mut command = ticketing(own.iter().copied());
    command.arg("--data").arg(data).args(rest);
    command
}

async fn said(data: &Path, arguments: &[&str]) -> String {
    let output = outcome(beside(data, arguments)).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn events(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn shop(data: &Path) -> Program {
    let shop = Program::up(up(data)).await;
    let url = address(data);
    let (ann, bob) = (Shopper::sign_up(&url, &url).await, Shopper::sign_up(&url, &url).await);
    bob.buy(&ann.list_ticket().await).await;
    until("everything public is published", || async {
        let status = said(data, &["relay", "status", "--json"]).await;
        (events(&status)[0]["messages"] == 5).then_some(())
    })
    .await;
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_replayed_followed_and_shared() {
    let data = TestFolder::new();
    let _shop = shop(data.path()).await;
    let verified = said(data.path(), &["relay", "verify"]).await;
    assert!(verified.contains("5 messages"), "{verified}");
    let status = said(data.path(), &["relay", "status"]).await;
    assert!(
        status.contains("waiting     nothing") && status.contains("at work     process"),
        "{status}"
    );

    let replayed = events(&said(data.path(), &["events", "replay"]).await);
    let kinds: Vec<_> = replayed.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!((kinds.len(), kinds[0]), (5, "ticketing.ticket.listed.v1"));
    assert_eq!(replayed[0]["data"]["ticketId"], replayed[0]["subject"]);
    let sold = ["events", "replay", "--subject", "ticketing.ticket.*.sold"];
    assert_eq!(events(&said(data.path(), &sold).await).len(), 1);
    let last = events(&said(data.path(), &["events", "replay", "--from", "5"]).await);
    assert_eq!(last, replayed[4..]);

    let mut tail = Program::start(beside(data.path(), &["events", "tail", "--from", "start"]));
    tail.wait_for("ticketing.ticket.sold.v1").await;
    let url = address(data.path());
    Shopper::sign_up(&url, &url).await.list_ticket().await;
    tail.wait_for("\"sequence\":6").await;

    // Two of one group: each event is given to one of them.
    let mut all = Vec::new();
    let group = ["events", "consume", "--group", "g"];
    let consumers = [(); 2].map(|()| Program::start(beside(data.path(), &group)));
    until("both together have all", || async {
        let said = consumers.iter().map(Program::output).collect::<String>();
        (said.lines().count() == 6).then_some(())
    })
    .await;
    for consumer in &consumers {
        all.extend(events(&consumer.output()).iter().map(|event| event["sequence"].clone()));
    }
    all.sort_by_key(Value::as_u64);
    assert_eq!(all, (1..=6).map(Value::from).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_command_fails_is_tried_again_and_then_set_aside() {
    let data = TestFolder::new();
    let _shop = shop(data.path()).await;
    let script = "grep -vq ticket.sold || { echo cannot mail it >&2; exit 1; }";
    let consume =
        ["events", "consume", "--group", "mailer", "--attempts", "2", "--", "sh", "-c", script];
    let mut consumer = Program::start(beside(data.path(), &consume));
    consumer.wait_for("is tried again").await;
    let line = consumer.wait_for("is set aside after 2 attempts").await;
    assert!(line.contains("cannot mail it"), "{line}");

    // It lies where somebody can look at it, with the reason.
    let url = running(data.path()).unwrap()["nats_relay"].as_str().unwrap().to_owned();
    let jetstream = relay::Nats::at(url).connect().await.unwrap();
    let aside = jetstream.get_stream(relay::events::DEAD_LETTERS).await.unwrap();
    assert_eq!(aside.cached_info().state.messages, 1);
    let message = aside.get_raw_message(1).await.unwrap();
    let subject = message.subject.as_str();
    assert!(subject.starts_with("ticketing-dead-letters.mailer.ticket."), "{subject}");
    let reason = message.headers.get("Dead-Letter-Reason").unwrap().as_str();
    assert!(reason.contains("cannot mail it"), "{reason}");
}

/// The server of `ticketing up` lets everybody consume, and only the relay publish.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_relay_publishes_or_changes_the_stream() {
    let data = TestFolder::new();
    let _shop = shop(data.path()).await;
    let url = running(data.path()).unwrap()["nats"].as_str().unwrap().to_owned();
    let client = async_nats::connect(url).await.unwrap();
    client.publish("ticketing.ticket.x.sold", "{}".into()).await.unwrap();
    client.flush().await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let within = std::time::Duration::from_millis(500);
    let forbidden = tokio::time::timeout(within, jetstream.delete_stream(relay::STREAM)).await;
    assert!(!matches!(forbidden, Ok(Ok(_))), "the stream was deleted");
    let config = async_nats::jetstream::stream::Config {
        name: "MINE".to_owned(),
        subjects: vec!["mine.>".to_owned()],
        ..Default::default()
    };
    let forbidden = tokio::time::timeout(within, jetstream.create_stream(config)).await;
    assert!(!matches!(forbidden, Ok(Ok(_))), "{forbidden:?}");
    let verified = said(data.path(), &["relay", "verify"]).await;
    assert!(verified.contains("5 messages"), "{verified}");
}

#[tokio::test]
async fn the_contract_is_printed() {
    let output = outcome(ticketing(["events", "contract"])).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), relay::ASYNCAPI);
}

//! More connections than there is room for.

use embedded_log::testing::TestLog;
use eventstore::StreamState;

use crate::proto::event_store::client::Empty;
use crate::proto::server_features::SupportedMethods;
use crate::support::{append, connect, events, soon};
use crate::wire::Wire;

const ROOM: usize = 3;

#[tokio::test]
async fn one_too_many_is_turned_away_and_gets_in_when_another_leaves() {
    let log = TestLog::start_for(ROOM).await;
    let authority = log.address().to_string();
    let mut inside = Vec::new();
    for _ in 0..ROOM {
        inside.push(Wire::connect(&authority).await);
    }
    all_are_served(&inside).await;
    for _ in 0..ROOM {
        let one_more = connect(&log.connection_string());
        let appended = append(&one_more, "s", StreamState::NoStream, events(0..1));
        let refused = soon("the refusal", appended).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    all_are_served(&inside).await;

    inside.pop();
    soon("room for another", async {
        loop {
            let one_more = connect(&log.connection_string());
            if append(&one_more, "s", StreamState::Any, events(0..1)).await.is_ok() {
                break;
            }
        }
    })
    .await;
    all_are_served(&inside).await;
}

async fn all_are_served(inside: &[Wire]) {
    let method = "event_store.client.server_features.ServerFeatures/GetSupportedMethods";
    for wire in inside {
        let answered = wire.call::<Empty, SupportedMethods>(method, vec![Empty {}]).await;
        assert_eq!(answered.unwrap().len(), 1);
    }
}

//! Figures that no single call can tell: taken every few seconds while the log is served.

use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram};

use crate::operations::stats::disk_bytes;
use crate::store::Store;

const INTERVAL: Duration = Duration::from_secs(5);

/// Publishes how far the slowest subscriber is behind and what the log takes on disk, until the log
/// closes.
pub(crate) async fn observe(store: Store) {
    describe();
    // Those that say nothing until something happens are there from the start.
    gauge("log_writes_stopped", 0);
    metrics::gauge!("log_subscribers").increment(0);
    metrics::counter!("log_calls_unauthenticated_total").increment(0);
    let closing = store.closing().clone();
    loop {
        let durable = *store.durable().borrow();
        gauge("log_subscriber_lag_bytes_max", store.subscribers().lag_bytes_max(durable));
        let measured = store.read_tables(|tables| {
            Ok(disk_bytes(&tables.directory().data()).map_err(fjall::Error::Io)?)
        });
        if let Ok((journals, tables)) = measured.await {
            gauge("log_disk_journal_bytes", journals);
            gauge("log_disk_table_bytes", tables);
        }
        tokio::select! {
            () = closing.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// A gauge is a float: exact up to 2^53, which is enough to see it move.
fn gauge(name: &'static str, number: u64) {
    metrics::gauge!(name).set(number as f64);
}

/// What each figure means, for whoever looks at them.
fn describe() {
    use metrics::Unit::{Bytes, Count, Seconds};
    describe_counter!("log_writes_total", Count, "appends and deletions, by outcome");
    describe_counter!("log_events_total", Count, "events written");
    describe_counter!("log_calls_unauthenticated_total", Count, "calls without a right password");
    describe_histogram!("log_commit_events", Count, "events that shared one sync of the disk");
    describe_histogram!("log_commit_seconds", Seconds, "to decide, write and sync them");
    describe_histogram!("log_sync_seconds", Seconds, "to write and sync them");
    describe_gauge!("log_writes_stopped", "1 while writes are refused: the disk failed or is full");
    describe_gauge!("log_last_position", "position of the last event on disk");
    describe_gauge!("log_subscribers", Count, "subscriptions");
    describe_gauge!("log_subscriber_lag_bytes_max", Bytes, "log the slowest has yet to see");
    describe_gauge!("log_disk_journal_bytes", Bytes, "journals on disk");
    describe_gauge!("log_disk_table_bytes", Bytes, "tables on disk");
}

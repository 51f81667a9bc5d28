//! Figures that no single call can tell: taken every few seconds while the log is served.

use std::time::Duration;

use crate::operations::stats::disk_bytes;
use crate::store::Store;

const INTERVAL: Duration = Duration::from_secs(5);

/// Publishes how far the slowest subscriber is behind and what the log takes on disk, until the log
/// closes.
pub(crate) async fn observe(store: Store) {
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

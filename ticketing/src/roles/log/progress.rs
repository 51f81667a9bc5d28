//! Bars for work that takes long; they show only where standard error is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(100);
const KNOWN: &str = "{msg} {wide_bar} {percent:>3} % {elapsed}, {eta} to go";
const UNKNOWN: &str = "{spinner} {msg} {pos} {elapsed}";

/// A bar up to `total`, or one that only counts where the end is not known.
pub(crate) fn bar(message: &'static str, total: Option<u64>) -> ProgressBar {
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let style = ProgressStyle::with_template(if total.is_some() { KNOWN } else { UNKNOWN });
    let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(message);
    bar.enable_steady_tick(TICK);
    bar
}

/// Of a bar that only counted, once its end is known.
pub(crate) fn know_total(bar: &ProgressBar, total: u64) {
    if bar.length().is_none() && total > 0 {
        bar.set_length(total);
        if let Ok(style) = ProgressStyle::with_template(KNOWN) {
            bar.set_style(style);
        }
    }
}

/// A bar for the work of `embedded_log`, which tells how far it is as it goes.
pub(super) fn of_events(
    message: &'static str,
) -> (ProgressBar, impl FnMut(embedded_log::Progress)) {
    let bar = bar(message, None);
    let shown = bar.clone();
    let show = move |progress: embedded_log::Progress| {
        know_total(&shown, progress.events_total);
        shown.set_position(progress.events);
    };
    (bar, show)
}

//! Bars while the log is read, and what came of it.

use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use projectors::{Difference, EventOff, Progress, Verified};
use serde_json::{Map, Value};

const TICK: Duration = Duration::from_millis(100);
const READING: &str = "{msg} {wide_bar} {percent:>3} % {elapsed}, {eta} to go";

/// A bar over the places of the log; it shows only where standard error is a terminal.
pub(super) struct Reading {
    bar: ProgressBar,
    what: &'static str,
}

impl Reading {
    pub(super) fn new(what: &'static str) -> Self {
        let style = ProgressStyle::with_template(READING);
        let bar =
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(TICK);
        let reading = Self { bar, what };
        reading.say("");
        reading
    }

    /// Another part of the work begins.
    pub(super) fn is_now(&mut self, what: &'static str) {
        if self.what != what {
            self.what = what;
            self.bar.reset();
            self.say("");
        }
    }

    pub(super) fn show(&self, progress: Progress) {
        self.bar.set_length(progress.until.commit);
        self.bar.set_position(progress.position.commit);
        let seconds = self.bar.elapsed().as_secs().max(1);
        let rate = HumanCount(progress.events / seconds);
        self.say(&format!(", {} events, {rate}/s", HumanCount(progress.events)));
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn say(&self, more: &str) {
        self.bar.set_message(format!("{}{more}", self.what));
    }
}

/// A line a table, and what differs.
pub(super) fn print(verified: &Verified) {
    let Verified { name, version, build, position, comparison, first } = verified;
    let position = position.map_or_else(|| "the start".to_owned(), |it| it.to_string());
    let verdict =
        if comparison.same() { "is what the log says" } else { "is NOT what the log says" };
    println!("{name} (version {version}, build {build}) {verdict}, up to {position}");
    for table in &comparison.tables {
        let mark = if table.same { "" } else { "   differs" };
        println!("  {:<20} {:>12} rows  digest {}{mark}", table.table, table.rows, table.digest);
    }
    if let Some(first) = first {
        println!(
            "  first off: {}{}",
            first.stream,
            first.event.as_ref().map_or(String::new(), event)
        );
    }
    print_differences(&comparison.differences);
    if !comparison.same() {
        println!("  mend it:   ticketing projectors rebuild {name}");
        if let Some(first) = first {
            println!(
                "  only that: ticketing projectors rebuild {name} --aggregate {}",
                first.stream
            );
        }
    }
}

fn event(off: &EventOff) -> String {
    let EventOff { revision, event_type, position, missing } = off;
    let how = if *missing {
        "it and what follows are not in the rows"
    } else {
        "the rows are not what follows from it"
    };
    format!(", event {event_type} (revision {revision}, position {position}): {how}")
}

/// A line a row: what it is and what it should be.
pub(super) fn print_differences(differences: &[Difference]) {
    for Difference { table, key, expected, found } in differences {
        let key = key.iter().map(|(name, value)| format!("{name}={}", plain(value)));
        let key = key.collect::<Vec<_>>().join(" ");
        let what = match (expected, found) {
            (Some(expected), Some(found)) => columns(expected, found),
            (Some(_), None) => "is missing".to_owned(),
            (None, _) => "should not be there".to_owned(),
        };
        println!("  {table} {key}: {what}");
    }
}

fn columns(expected: &Map<String, Value>, found: &Map<String, Value>) -> String {
    let differ = expected.iter().filter(|(name, value)| found.get(*name) != Some(value));
    let each = differ.map(|(name, wanted)| {
        let found = found.get(name).map_or_else(|| "nothing".to_owned(), plain);
        format!("{name} is {found}, not {}", plain(wanted))
    });
    each.collect::<Vec<_>>().join("; ")
}

/// Texts without their quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

//! `ticketing relay status`

use clap::Args;
use relay::desk::Status;

use super::places::Places;

#[derive(Args, Debug)]
pub(crate) struct Settings {
    #[command(flatten)]
    places: Places,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(settings: Settings) -> anyhow::Result<()> {
    let desk = settings.places.open()?;
    for partition in settings.places.partitions(&desk).await? {
        let status = desk.status(&partition).await?;
        if settings.json {
            println!("{}", serde_json::to_string(&status)?);
        } else {
            show(&status);
        }
    }
    Ok(())
}

fn show(status: &Status) {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    println!("{}", status.stream);
    match (&status.unreachable, status.messages, status.bytes) {
        (Some(why), ..) => println!("  messages    unknown: {why}"),
        (None, Some(messages), Some(bytes)) => {
            let last = status.last_sequence.unwrap_or_default();
            let position = or_none(&status.last_position);
            println!(
                "  messages    {messages}, {bytes} bytes, the last is {last} of position {position}"
            );
        }
        (None, ..) => println!("  messages    there is no such stream"),
    }
    println!("  checkpoint  {}", or_none(&status.checkpoint));
    let more = if status.more_waiting { " and more" } else { "" };
    match status.waiting_seconds {
        None => println!("  waiting     nothing"),
        Some(seconds) => {
            println!(
                "  waiting     {}{more} public events, the oldest for {seconds} s",
                status.waiting
            );
        }
    }
    match (&status.holder, status.epoch) {
        (Some(holder), Some(epoch)) => println!("  at work     process {holder}, epoch {epoch}"),
        _ => println!("  at work     nobody"),
    }
    if let Some(halted) = &status.halted {
        println!("  HALTED      {halted}");
    }
}

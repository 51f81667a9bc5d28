//! `ticketing log stats`

use clap::Args;

use super::Directory;

#[derive(Args, Debug)]
#[command(after_help = "The log may be served meanwhile.\n\n  \
ticketing log stats --directory /var/lib/ticketing/log\n  \
ticketing log stats --directory /var/lib/ticketing/log --json | jq .events")]
pub(crate) struct Settings {
    #[command(flatten)]
    directory: Directory,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(Settings { directory, json }: Settings) -> anyhow::Result<()> {
    let stats = tokio::task::spawn_blocking(move || embedded_log::stats(&directory.directory));
    let stats = stats.await??;
    if json {
        println!("{}", serde_json::to_string(&stats)?);
        return Ok(());
    }
    let place = |position: Option<u64>| position.map_or("none".to_owned(), |it| it.to_string());
    let state = match (stats.served, stats.writes_stopped, stats.disk_full) {
        (false, ..) => "not served",
        (true, true, _) => "served, but a write failed: it takes no more until it is restarted",
        (true, false, true) => "served, but the disk is full: it takes writes when there is room",
        (true, false, false) => "served",
    };
    println!("state            {state}");
    println!("events           {}", stats.events);
    println!("streams          {}", stats.streams);
    println!("first position   {}", place(stats.first_position));
    println!("last position    {}", place(stats.last_position));
    println!("tables, bytes    {}", stats.table_bytes);
    println!("journals, bytes  {}", stats.journal_bytes);
    println!("format           {}", stats.format);
    Ok(())
}

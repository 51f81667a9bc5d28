//! `ticketing relay verify`

use std::process::ExitCode;

use clap::Args;
use relay::Verdict;

use super::places::Places;
use crate::roles::log::progress;

#[derive(Args, Debug)]
#[command(after_help = "The log and the stream are read side by side, up to where each ends now. \
Every message is compared with the event that it was made from, so a missing, doubled, misplaced or \
changed message is found and the first one is named. Nothing is changed; relays may go on meanwhile.")]
pub(crate) struct Settings {
    #[command(flatten)]
    places: Places,
}

pub(super) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let desk = settings.places.open()?;
    let mut code = ExitCode::SUCCESS;
    for partition in settings.places.partitions(&desk).await? {
        let stream = partition.stream();
        let bar = progress::bar("comparing", None);
        let verdict =
            relay::verify(&desk.log, &desk.pool, &desk.nats, &partition, |done, total| {
                progress::know_total(&bar, total);
                bar.set_position(done);
            });
        let verdict = verdict.await;
        bar.finish_and_clear();
        let verdict = verdict?;
        show(&stream, &verdict);
        if verdict.first_difference.is_some() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

fn show(stream: &str, verdict: &Verdict) {
    let Verdict { compared, removed, waiting, of_earlier_shape, digests, first_difference } =
        verdict;
    if let Some(difference) = first_difference {
        println!("{stream}: DIFFERS after {compared} messages that are right: {difference}");
        println!(
            "  `ticketing relay status` tells more; docs/consumers.md says how to fill it anew"
        );
        return;
    }
    println!("{stream}: {compared} messages, each the event of the log that it should be");
    println!("  digest of the log     {}", digests[0]);
    println!("  digest of the stream  {}", digests[1]);
    if *waiting > 0 {
        println!("  {waiting} public events of the log are not published yet");
    }
    if *removed > 0 {
        println!("  {removed} messages before them were removed by the stream's limits");
    }
    if *of_earlier_shape > 0 {
        println!("  {of_earlier_shape} were published before the contract got further fields");
    }
}

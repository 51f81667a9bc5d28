//! Everything that is measured on one store, one after another.

use std::sync::Arc;
use std::time::Duration;

use bench::disk;
use bench::processor::own_cpu;
use bench::rate::Rate;
use embedded_log::bare::BareStore;
use eventstore::Client;

use crate::directory::Stores;
use crate::load::{Appender, Call, Events};
use crate::results::{Metric, Round};
use crate::server::ServerProcess;
use crate::{delivery, load};

/// Appends in flight at a time.
pub(crate) const IN_FLIGHT: [usize; 4] = [1, 16, 64, 256];
/// The calls of the protocol that append.
pub(crate) const CALLS: [Call; 2] = [Call::Batch, Call::Single];

pub(crate) async fn measure(stores: &Stores, size: u64, time: Duration) -> anyhow::Result<Round> {
    let mut round = Round::new();
    let events = Arc::new(Events::make());
    bare(&mut round, stores, size, &events, time).await?;

    let directory = stores.copy(size)?;
    let folder = stores.folder().to_owned();
    let syncs = tokio::task::spawn_blocking(move || disk::sync_rate(&folder, time)).await??;
    round.insert(Metric::SyncsPerSecond, syncs.per_second);
    round.insert(Metric::SyncP50Millis, millis(syncs.p50));
    round.extend(stores.bytes_per_event(size).map(|bytes| (Metric::BytesPerEvent, bytes)));

    let server = ServerProcess::start(&directory).await?;
    round.insert(Metric::StartMillis, millis(server.started_in));
    let client = server.client()?;
    appends(&mut round, &server, &client, &events, time).await?;
    deliveries(&mut round, &server, &client, &events, time).await?;
    let (delivered, appended) = delivery::crowd(&server, &events, time).await?;
    round.insert(Metric::CrowdEventsPerSecond, delivered);
    round.insert(Metric::CrowdAppendsPerSecond, appended);
    round.insert(Metric::MemoryPeakMib, server.memory_peak()? as f64 / f64::from(1 << 20));

    server.kill().await?;
    let again = ServerProcess::start(&directory).await?;
    round.insert(Metric::StartAfterKillMillis, millis(again.started_in));
    again.stop().await?;
    std::fs::remove_dir_all(directory)?;
    ratios(&mut round, syncs);
    Ok(round)
}

/// The store alone, in this process.
async fn bare(
    round: &mut Round,
    stores: &Stores,
    size: u64,
    events: &Arc<Events>,
    time: Duration,
) -> anyhow::Result<()> {
    let directory = stores.copy(size)?;
    let store = tokio::task::spawn_blocking(move || BareStore::open(&directory)).await??;
    for in_flight in IN_FLIGHT {
        let appender = Appender::Bare(store.clone());
        let (rate, _) = load::append(appender, events, in_flight, time).await?;
        note(round, Call::Bare, in_flight, rate);
    }
    store.close().await;
    Ok(())
}

async fn appends(
    round: &mut Round,
    server: &ServerProcess,
    client: &Client,
    events: &Arc<Events>,
    time: Duration,
) -> anyhow::Result<()> {
    for call in CALLS {
        for in_flight in IN_FLIGHT {
            let appender = match call {
                Call::Batch => Appender::batch(client).await?,
                Call::Single | Call::Bare => Appender::Single(Box::new(client.clone())),
            };
            let cpu = Cpu::now(server)?;
            let (rate, all) = load::append(appender, events, in_flight, time).await?;
            let (server_micros, client_micros) = cpu.since(server, all)?;
            note(round, call, in_flight, rate);
            round.insert(Metric::ServerMicros(call, in_flight), server_micros);
            round.insert(Metric::ClientMicros(call, in_flight), client_micros);
        }
    }
    Ok(())
}

async fn deliveries(
    round: &mut Round,
    server: &ServerProcess,
    client: &Client,
    events: &Arc<Events>,
    time: Duration,
) -> anyhow::Result<()> {
    let cpu = Cpu::now(server)?;
    let (rate, all) = delivery::catch_up(client, time).await?;
    let (server_micros, client_micros) = cpu.since(server, all)?;
    round.insert(Metric::CatchUpEventsPerSecond, rate);
    round.insert(Metric::CatchUpServerMicros, server_micros);
    round.insert(Metric::CatchUpClientMicros, client_micros);
    let live = delivery::live(client, events, time).await?;
    let over = millis(live.delivered.p50) - millis(live.acknowledged.p50);
    round.insert(Metric::DeliveryP50Millis, millis(live.delivered.p50));
    round.insert(Metric::DeliveryP99Millis, millis(live.delivered.p99));
    round.insert(Metric::DeliveryOverAppendMillis, over);
    Ok(())
}

fn note(round: &mut Round, call: Call, in_flight: usize, rate: Rate) {
    eprintln!("bench:   {call}, {in_flight} in flight: {:.0}/s", rate.per_second);
    round.insert(Metric::AppendsPerSecond(call, in_flight), rate.per_second);
    round.insert(Metric::AppendP50Millis(call, in_flight), millis(rate.p50));
    round.insert(Metric::AppendP99Millis(call, in_flight), millis(rate.p99));
}

/// What the rates are beside those of the disk and of the store alone.
fn ratios(round: &mut Round, syncs: Rate) {
    for call in [Call::Bare, Call::Batch, Call::Single] {
        for in_flight in IN_FLIGHT {
            let rate = |call| round.get(&Metric::AppendsPerSecond(call, in_flight)).copied();
            let (Some(own), Some(bare)) = (rate(call), rate(Call::Bare)) else { continue };
            round.insert(Metric::AppendsPerSync(call, in_flight), own / syncs.per_second);
            round.insert(Metric::ShareOfStore(call, in_flight), own / bare);
        }
    }
}

/// Processor time used so far, by the server and by this process.
struct Cpu {
    server: Duration,
    client: Duration,
}

impl Cpu {
    fn now(server: &ServerProcess) -> anyhow::Result<Self> {
        Ok(Self { server: server.cpu()?, client: own_cpu()? })
    }

    /// Microseconds for each of so many things, of the server and of the client.
    fn since(self, server: &ServerProcess, count: u64) -> anyhow::Result<(f64, f64)> {
        let each = |cpu: Duration| millis(cpu) * 1_000.0 / count as f64;
        Ok((each(server.cpu()? - self.server), each(own_cpu()? - self.client)))
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

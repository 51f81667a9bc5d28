//! The log as a process of its own: this binary, started again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bench::processor;
use embedded_log::{Options, Server};
use eventstore::Client;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// Looks this often whether a server has become idle.
const IDLE_LOOK: Duration = Duration::from_millis(500);
/// A server that uses no more processor time than this between two looks is idle.
const IDLE_CPU_MAX: Duration = Duration::from_millis(20);
const IDLE_LOOKS: u32 = 4;

/// Serves until standard input ends, which it does when the benchmark ends in whatever way.
pub(crate) async fn serve(directory: PathBuf) -> anyhow::Result<()> {
    // As `ticketing` does.
    nix::sys::prctl::set_thp_disable(true)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = tokio::task::spawn_blocking(|| Server::open(Options::new(directory))).await??;
    println!("{}", listener.local_addr()?);
    let end = async {
        // An error ends it as well.
        let _ended = tokio::io::stdin().read(&mut [0]).await;
    };
    Ok(server.serve(listener, end).await?)
}

/// A running server; it is killed when this is dropped.
pub(crate) struct ServerProcess {
    child: Child,
    address: String,
    /// From the start of the process until it can be connected to.
    pub(crate) started_in: Duration,
}

impl ServerProcess {
    pub(crate) async fn start(directory: &Path) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("the server has no standard output")?;
        let Some(address) = BufReader::new(stdout).lines().next_line().await? else {
            bail!("the server ended at once: {}", child.wait().await?);
        };
        Ok(Self { child, address, started_in: begun.elapsed() })
    }

    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let url = format!("kurrentdb://{}?tls=false&discoveryInterval=20", self.address);
        Client::new(url.parse()?).map_err(|error| anyhow::anyhow!("{error}"))
    }

    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait().await?;
        if status.success() { Ok(()) } else { bail!("the server ended with {status}") }
    }

    /// Without any chance to tidy up.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    /// The most memory it has had so far, in bytes.
    pub(crate) fn memory_peak(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(self.proc("status")?)?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|rest| rest.split_whitespace().next()).context("no VmHWM")?;
        Ok(kib.parse::<u64>()? * 1024)
    }

    /// Until it has nothing left to tidy up in the background.
    pub(crate) async fn idle(&self) -> anyhow::Result<()> {
        let (mut quiet, mut before) = (0, self.cpu()?);
        while quiet < IDLE_LOOKS {
            tokio::time::sleep(IDLE_LOOK).await;
            let now = self.cpu()?;
            quiet = if now - before <= IDLE_CPU_MAX { quiet + 1 } else { 0 };
            before = now;
        }
        Ok(())
    }

    /// Processor time it has used, to a hundredth of a second.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        processor::cpu(&self.proc("stat")?)
    }

    fn proc(&self, file: &str) -> anyhow::Result<PathBuf> {
        let pid = self.child.id().context("the server has ended")?;
        Ok(PathBuf::from(format!("/proc/{pid}/{file}")))
    }
}

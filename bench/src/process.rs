//! Programs that are measured, each a process of its own.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::processor;
use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The longest wait for the line in which a program says where it answers.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The secrets of a shop. They guard nothing but a benchmark's people.
pub const KEYS: [(&str, &str); 3] = [
    ("TICKETING_SESSION_KEY", "1111111111111111111111111111111111111111111111111111111111111111"),
    ("TICKETING_VAULT_KEY", "2222222222222222222222222222222222222222222222222222222222222222"),
    ("TICKETING_TOKEN_KEYS", "3333333333333333333333333333333333333333333333333333333333333333"),
];

/// A running program; it is killed when this is dropped.
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    words: PathBuf,
}

impl Process {
    /// Starts a program; what it says of errors goes to the file `words`.
    pub fn start<A: AsRef<OsStr>>(
        program: &Path,
        arguments: &[A],
        environment: &[(&str, &str)],
        words: &Path,
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(words)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let stdout = child.stdout.take().context("a program without standard output")?;
        let lines = BufReader::new(stdout).lines();
        Ok(Self { child, lines, words: words.to_owned() })
    }

    /// The rest of the line that starts so.
    pub async fn says(&mut self, start: &str) -> anyhow::Result<String> {
        let heard = async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(rest) = line.strip_prefix(start) {
                    return anyhow::Ok(Some(rest.to_owned()));
                }
            }
            Ok(None)
        };
        match tokio::time::timeout(START_TIMEOUT, heard).await {
            Ok(Ok(Some(rest))) => Ok(rest),
            Ok(Err(error)) => Err(error),
            Ok(Ok(None)) | Err(_) => {
                let words = std::fs::read_to_string(&self.words).unwrap_or_default();
                bail!("a program did not start: {words}")
            }
        }
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().context("the program has ended")?;
        let asked = Command::new("kill").arg(pid.to_string()).status().await?;
        anyhow::ensure!(asked.success(), "cannot ask process {pid} to end");
        drop(self.child.stdin.take());
        self.child.wait().await?;
        Ok(())
    }

    /// Processor time it has used, to a hundredth of a second.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        processor::cpu(&self.proc("stat")?)
    }

    /// Memory it has now, in MiB.
    pub fn memory_mib(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(self.proc("status")?)?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()).context("no VmRSS")?;
        Ok(kib.parse::<f64>()? / 1024.0)
    }

    fn proc(&self, file: &str) -> anyhow::Result<PathBuf> {
        let pid = self.child.id().context("the program has ended")?;
        Ok(PathBuf::from(format!("/proc/{pid}/{file}")))
    }
}

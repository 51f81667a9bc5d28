//! A command that is run for each event.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use relay::events::Delivered;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Well within the time after which the server gives an event to another consumer.
const STILL_AT_IT_EVERY: Duration = Duration::from_secs(10);

pub(super) struct Handler {
    program: String,
    arguments: Vec<String>,
}

impl Handler {
    /// None: no command was given.
    pub(super) fn of(command: &[String]) -> Option<Self> {
        let (program, arguments) = command.split_first()?;
        Some(Self { program: program.clone(), arguments: arguments.to_vec() })
    }

    /// The outer error: it cannot be run at all. The inner: what it said when it failed.
    pub(super) async fn run(&self, delivered: &Delivered) -> anyhow::Result<Result<(), String>> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", self.program))?;
        let mut line = serde_json::to_vec(&delivered.event)?;
        line.push(b'\n');
        if let Some(mut input) = child.stdin.take() {
            // A command may end without reading it.
            let _unread = input.write_all(&line).await;
        }
        let ended = child.wait_with_output();
        let mut ended = std::pin::pin!(ended);
        let output = loop {
            tokio::select! {
                output = &mut ended => break output?,
                () = tokio::time::sleep(STILL_AT_IT_EVERY) => delivered.still_at_it().await?,
            }
        };
        if output.status.success() {
            return Ok(Ok(()));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or_default();
        Ok(Err(format!("{} ({}) {last}", self.program, output.status)))
    }
}

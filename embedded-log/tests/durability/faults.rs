//! Disks that fail and disks that are full.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use eventstore::{Client, Error};
use tonic::Code;

use crate::child::{PATIENCE, Victim, after, append, numbers, sized_event, soon};

/// Whether `program` is there and does what it is asked for.
fn works(program: &str, arguments: &[&str]) -> bool {
    let ran = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ran.is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_sync_nothing_is_acknowledged_until_a_restart() {
    // One sync of the writer's thread fails, and only that one: the disk is well again after. No other
    // thread makes so many.
    let inject = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e"];
    let inject = [&inject[..], &["inject=fdatasync:error=EIO:when=40"]].concat();
    if !works("strace", &[&inject[..], &["true"]].concat()) {
        println!("skipped: strace is not there, or not allowed to trace");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut victim =
        Victim::start_under(directory.path(), &[&["strace"], &inject[..]].concat()).await;
    let client = victim.connect();
    let mut acknowledged = 0;
    let failed = loop {
        match soon("an answer", append_one(&client, acknowledged, 300)).await {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 40, "no sync failed");
    };
    assert!(acknowledged > 0 && unavailable(&failed), "{acknowledged}: {failed:?}");
    let mut expected: Vec<u64> = (0..acknowledged).collect();
    for _ in 0..3 {
        let refused = append_to(&victim.connect(), "another", 0, 300).await;
        assert!(refused.is_err_and(|error| unavailable(&error)), "refused until a restart");
    }
    assert_eq!(soon("a read", numbers(&victim.connect(), "s")).await, expected, "reads go on");
    victim.end();

    let survivor = Victim::start(directory.path()).await;
    let client = survivor.connect();
    let found = numbers(&client, "s").await;
    // The append that failed may be there or not: its outcome was told as unknown.
    if found.len() as u64 > acknowledged {
        expected.push(acknowledged);
    }
    assert_eq!(found, expected);
    append_one(&client, found.len() as u64, 300).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_and_no_reads_until_there_is_room() {
    if !works("prlimit", &["--fsize", "true"]) {
        println!("skipped: prlimit is not there");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    // Without the signal, a write past the limit fails as one to a full disk does.
    let deaf = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];
    let victim = Victim::start_under(directory.path(), &deaf).await;
    let limit = |limit: &str| {
        let process = victim.process_id().to_string();
        let limit = format!("--fsize={limit}:");
        assert!(works("prlimit", &["--pid", &process, &limit]));
    };
    fills_up_and_recovers(&victim, directory.path(), || limit("1500000"), || limit("unlimited"))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_file_system_refuses_writes_and_no_reads_until_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let mounted = directory.path().to_str().unwrap();
    let tmpfs = ["-t", "tmpfs", "-o", "size=160m", "tmpfs", mounted];
    if !works("mount", &tmpfs) {
        println!("skipped: only root may mount a small file system");
        return;
    }
    let unmount = Unmount(mounted);
    let victim = Victim::start(directory.path()).await;
    let ballast = directory.path().join("ballast");
    let fill = || {
        // As much as there is, but for what a few appends take.
        let mut file = std::fs::File::create(&ballast).unwrap();
        let _ = std::io::copy(&mut std::io::repeat(7), &mut file);
        let length = file.metadata().unwrap().len();
        file.set_len(length - 600_000).unwrap();
    };
    let free = || std::fs::remove_file(&ballast).unwrap();
    fills_up_and_recovers(&victim, directory.path(), fill, free).await;
    drop(victim);
    drop(unmount);
}

struct Unmount<'m>(&'m str);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        assert!(works("umount", &["--lazy", self.0]));
    }
}

async fn fills_up_and_recovers(
    victim: &Victim,
    directory: &Path,
    fill: impl FnOnce(),
    free: impl FnOnce(),
) {
    let client = victim.connect();
    let mut acknowledged = 0;
    for _ in 0..3 {
        append_one(&client, acknowledged, 30_000).await.unwrap();
        acknowledged += 1;
    }
    fill();
    let first = loop {
        match soon("an answer", append_one(&client, acknowledged, 30_000)).await {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1000, "it never got full");
    };
    // Of the append that found the disk full nobody knows how it ended; the next ones are refused.
    assert!(unavailable(&first) || exhausted(&first), "{first:?}");
    let client = victim.connect();
    for _ in 0..3 {
        let refused = append_to(&client, "another", 0, 300).await.unwrap_err();
        assert!(exhausted(&refused), "{refused:?}");
    }
    let stats = embedded_log::stats(&directory.join("log")).unwrap();
    assert!(stats.disk_full && !stats.writes_stopped, "{stats:?}");
    let expected: Vec<u64> = (0..acknowledged).collect();
    assert_eq!(soon("a read", numbers(&client, "s")).await, expected, "reads go on");

    free();
    soon("there is room again", async {
        while append_one(&client, acknowledged, 30_000).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let expected: Vec<u64> = (0..=acknowledged).collect();
    assert_eq!(numbers(&client, "s").await, expected, "all of it, and the one refused once");
    assert!(
        embedded_log::stats(&directory.join("log"))
            .is_ok_and(|stats| !stats.disk_full && !stats.writes_stopped)
    );
}

async fn append_one(client: &Client, number: u64, bytes: usize) -> eventstore::Result<()> {
    append_to(client, "s", number, bytes).await
}

async fn append_to(
    client: &Client,
    stream: &str,
    number: u64,
    bytes: usize,
) -> eventstore::Result<()> {
    let events = vec![sized_event(number, bytes)];
    let appended = append(client, stream, after(number), events);
    tokio::time::timeout(PATIENCE, appended).await.unwrap()
}

/// The status that leaves the outcome open. The client tells it in several ways.
fn unavailable(error: &Error) -> bool {
    matches!(
        error,
        Error::ServerError(_)
            | Error::ConnectionClosed
            | Error::GrpcConnectionError(_)
            | Error::Grpc { code: Code::Unavailable, .. }
    )
}

fn exhausted(error: &Error) -> bool {
    matches!(error, Error::Grpc { code: Code::ResourceExhausted, message } if message.contains("full"))
}

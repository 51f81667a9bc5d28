//! What a process of `ticketing` has asked of the operating system.

use std::fs;

use tokio::process::Command;

use crate::program::{Program, ticketing};

#[tokio::test(flavor = "multi_thread")]
async fn a_role_uses_no_huge_pages_and_may_open_all_the_files_there_are() {
    if !fs::exists("/proc/self/limits").unwrap() {
        println!("skipped: there is no /proc to tell");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let serve = ["log", "serve", "--listen", "127.0.0.1:0", "--directory"];
    let log = ticketing(serve.into_iter().chain([folder.path().to_str().unwrap()]));
    // As a shell or a service manager would start it.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -Sn 256; ulimit -Hn 512; exec \"$0\" \"$@\""]);
    command.arg(log.as_std().get_program()).args(log.as_std().get_args()).kill_on_drop(true);
    for (unset, _) in log.as_std().get_envs() {
        command.env_remove(unset);
    }
    let mut log = Program::start(command);
    log.wait_for("log: ").await;

    let about = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", log.id())).unwrap();
    let limits = about("limits");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("512"), "{files}");
    let status = about("status");
    // Older kernels do not tell.
    let huge_pages = status.lines().find_map(|line| line.strip_prefix("THP_enabled:"));
    assert_eq!(huge_pages.unwrap_or("0").trim(), "0");
}

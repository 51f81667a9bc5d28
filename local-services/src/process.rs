//! A child process that hears nothing from the terminal, ends with its parent where the system
//! can do that, and is ended in steps.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::{oneshot, watch};

use crate::find::on_path;
use crate::run_as::RunAs;

const POLL_EVERY: Duration = Duration::from_millis(20);

/// How to end a server: each signal, and how long to wait for its effect.
pub(crate) type StopSteps = &'static [(Signal, Duration)];

/// A running server. Dropping it ends the server and waits for that.
#[derive(Debug)]
pub(crate) struct ServiceProcess {
    pid: Pid,
    /// The steps for a drop: quicker than those of an orderly stop where the data is throwaway.
    drop_steps: StopSteps,
    ended: watch::Receiver<Option<String>>,
    /// The same news for code that cannot await.
    ended_blocking: Mutex<mpsc::Receiver<()>>,
}

impl ServiceProcess {
    /// Starts the program with both its outputs in the log.
    ///
    /// Each child has a thread that starts it and waits for it. The kernel's "parent has died"
    /// signal goes by that *thread*, so it must live as long as the child.
    pub(crate) async fn spawn(
        mut command: Command,
        run_as: Option<&RunAs>,
        log: File,
        drop_steps: StopSteps,
    ) -> io::Result<Self> {
        // An own group: the terminal's Ctrl-C is for the parent, which ends its children in order.
        command.stdin(Stdio::null()).stderr(log.try_clone()?).stdout(log).process_group(0);
        if let Some(run_as) = run_as {
            run_as.apply(&mut command);
        }
        let (started, spawned) = oneshot::channel();
        let (ended_sender, ended) = watch::channel(None);
        let (blocking_sender, ended_blocking) = mpsc::channel();
        thread::Builder::new().name("local-service".to_owned()).spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    let _nobody_waits = started.send(Err(error));
                    return;
                }
            };
            // Nobody waits for it any more, so nobody else would end it.
            if started.send(Ok(child.id())).is_err() {
                let _already_ended = child.kill();
            }
            let how = child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
            ended_sender.send_replace(Some(how));
            let _nobody_waits = blocking_sender.send(());
        })?;
        let pid = spawned.await.map_err(io::Error::other)??;
        let pid = Pid::from_raw(i32::try_from(pid).map_err(io::Error::other)?);
        Ok(Self { pid, drop_steps, ended, ended_blocking: Mutex::new(ended_blocking) })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// How it ended, if it has.
    pub(crate) fn has_ended(&self) -> Option<String> {
        self.ended.borrow().clone()
    }

    /// Waits for the end and says how it came.
    pub(crate) async fn ended(&self) -> String {
        let mut ended = self.ended.clone();
        let how = ended.wait_for(Option::is_some).await;
        how.ok().and_then(|how| how.clone()).unwrap_or_else(|| "unknown".to_owned())
    }

    /// Ends it in order. The last step of `steps` is one that no process can refuse.
    pub(crate) async fn stop(&self, steps: StopSteps) {
        for (signal, patience) in steps {
            self.signal(*signal);
            if tokio::time::timeout(*patience, self.ended()).await.is_ok() {
                return;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if self.has_ended().is_none() {
            // It may have ended meanwhile; that is what the signal is for.
            let _gone = kill(self.pid, signal);
        }
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        let ended = self.ended_blocking.lock().unwrap_or_else(PoisonError::into_inner);
        for (signal, patience) in self.drop_steps {
            if self.has_ended().is_some() {
                return;
            }
            self.signal(*signal);
            if ended.recv_timeout(*patience).is_ok() {
                return;
            }
        }
    }
}

/// A command for the program that the kernel sends `signal` when we die, where `setpriv` can
/// arrange that (Linux). Elsewhere the next owner of the directory ends what was left.
pub(crate) fn dying_with_us(program: &Path, signal: Signal) -> Command {
    let mut command = match setpriv() {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", signal.as_str().trim_start_matches("SIG")]).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.current_dir("/");
    command
}

/// Ends a server that an earlier, killed owner left behind. `true` once it is gone.
pub(crate) async fn end_orphan(pid: i32, name: &str, directory: &Path, steps: StopSteps) -> bool {
    for (signal, patience) in steps {
        if !works_in(pid, name, directory) {
            return true;
        }
        let _gone = kill(Pid::from_raw(pid), *signal);
        let deadline = Instant::now() + *patience;
        while Instant::now() < deadline {
            if !works_in(pid, name, directory) {
                return true;
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    }
    !works_in(pid, name, directory)
}

/// Whether the process of that number is this program at work in this folder, and not a stranger
/// to whom the number has passed.
pub(crate) fn works_in(pid: i32, name: &str, directory: &Path) -> bool {
    if cfg!(target_os = "linux") {
        let of = |file: &str| Path::new("/proc").join(pid.to_string()).join(file);
        let same_name = std::fs::read_to_string(of("comm")).is_ok_and(|comm| comm.trim() == name);
        let same_folder = std::fs::read_link(of("cwd")).is_ok_and(|cwd| cwd == directory);
        return same_name && same_folder;
    }
    let output =
        Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
    let Ok(output) = output else { return false };
    let command = String::from_utf8_lossy(&output.stdout).into_owned();
    command.contains(name) && command.contains(&*directory.to_string_lossy())
}

/// Whether there is a process of that number, whosever it is.
pub(crate) fn is_alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None) != Err(nix::errno::Errno::ESRCH)
}

/// `setpriv` of util-linux, tried once: other programs of that name know no `--pdeathsig`.
fn setpriv() -> Option<&'static Path> {
    static SETPRIV: OnceLock<Option<std::path::PathBuf>> = OnceLock::new();
    let found = SETPRIV.get_or_init(|| {
        let path = on_path("setpriv").filter(|_| cfg!(target_os = "linux"))?;
        let tried = Command::new(&path)
            .args(["--pdeathsig", "TERM", "true"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        tried.is_ok_and(|status| status.success()).then_some(path)
    });
    found.as_deref()
}

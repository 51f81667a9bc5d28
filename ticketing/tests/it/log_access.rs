//! `ticketing log serve` for other machines: TLS, passwords, and what clients are told.

use std::path::Path;
use std::process::Output;

use embedded_log::testing::TestCertificate;
use local_services::testing::TestFolder;

use crate::program::{Program, outcome, ticketing};

/// A guarded log, and what a client connects with.
struct Guarded {
    _program: Program,
    folder: TestFolder,
    host: String,
}

impl Guarded {
    async fn serve() -> Self {
        let folder = TestFolder::new();
        let files = TestCertificate::make(folder.path());
        let users = folder.path().join("users");
        std::fs::write(&users, "# who may\nann:not-secret\n").unwrap();
        let mut command = ticketing(["log", "serve", "--listen", "127.0.0.1:0"]);
        command.arg("--directory").arg(folder.path().join("log"));
        command.arg("--tls-certificate").arg(&files.certificate);
        command.arg("--tls-key").arg(&files.key).arg("--users").arg(users);
        let mut program = Program::start(command);
        let line = program.wait_for("log: kurrentdb://USER:PASSWORD@").await;
        let host = line.split('@').nth(1).unwrap().split('?').next().unwrap().to_owned();
        assert!(line.contains("tls=true"), "{line}");
        assert!(!line.contains("not-secret"), "{line}");
        Self { _program: program, folder, host }
    }

    fn url(&self, credentials: &str, authority: &str) -> String {
        let authority = self.folder.path().join(authority);
        format!("kurrentdb://{credentials}{}?tls=true&tlsCaFile={}", self.host, authority.display())
    }
}

async fn log(verb: &str, file: &Path, url: &str) -> Output {
    let mut command = ticketing(["log", verb]);
    outcome({
        command.arg(file).env("KURRENTDB_URL", url);
        command
    })
    .await
}

async fn read(url: &str) -> Result<String, String> {
    let mut command = ticketing(["log", "read", "--all"]);
    command.env("KURRENTDB_URL", url);
    let Output { status, stdout, stderr } = outcome(command).await;
    if status.success() {
        Ok(String::from_utf8(stdout).unwrap())
    } else {
        Err(String::from_utf8(stderr).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_log_is_filled_and_read_with_the_password_and_tells_others_why_not() {
    let guarded = Guarded::serve().await;
    let url = guarded.url("ann:not-secret@", "authority.pem");
    let event = r#"{"stream":"a","revision":0,"type":"T.v1","id":"00000000-0000-0000-0000-000000000001","contentType":"application/json","data":{"n":1}}"#;
    let file = guarded.folder.path().join("one.jsonl");
    std::fs::write(&file, event).unwrap();
    let imported = log("import", &file, &url).await;
    assert!(imported.status.success(), "{imported:?}");
    let found = read(&url).await.unwrap();
    assert!(found.contains(r#""data":{"n":1}"#), "{found}");

    std::fs::write(guarded.folder.path().join("nonsense.pem"), "nonsense").unwrap();
    for (credentials, authority, hint) in [
        ("ann:wrong@", "authority.pem", "user:password@"),
        ("", "authority.pem", "user:password@"),
        ("ann:not-secret@", "missing.pem", "missing.pem"),
        ("ann:not-secret@", "nonsense.pem", "nonsense.pem"),
    ] {
        let refused = read(&guarded.url(credentials, authority)).await.unwrap_err();
        assert!(refused.contains(hint), "{credentials} {authority}: {refused}");
        let lines = refused.lines().filter(|line| line.starts_with("ticketing: ")).count();
        assert_eq!(lines, 1, "{refused}");
        assert!(!refused.contains("wrong@") && !refused.contains("not-secret"), "{refused}");
    }
    let by_text = guarded.url("ann:not-secret@", "authority.pem").replace("tls=true", "tls=false");
    let refused = read(&by_text).await.unwrap_err();
    assert!(refused.contains("tls="), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_together_is_told_before_anything_is_served() {
    let folder = TestFolder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let _files = TestCertificate::make(folder.path());
    std::fs::write(path("users"), "ann:not-secret\nnobody\n").unwrap();
    std::fs::write(path("other.pem"), "nonsense").unwrap();
    let (certificate, key) = (path("certificate.pem"), path("key.pem"));
    let wrong_key = TestCertificate::make(&{
        let other = folder.path().join("other");
        std::fs::create_dir(&other).unwrap();
        other
    });
    let wrong_key = wrong_key.key.display().to_string();
    for (arguments, said) in [
        (vec!["--tls-certificate", &certificate], "--tls-key"),
        (vec!["--tls-certificate", &path("gone.pem"), "--tls-key", &key], "gone.pem"),
        (vec!["--tls-certificate", &path("other.pem"), "--tls-key", &key], "other.pem"),
        (vec!["--tls-certificate", &certificate, "--tls-key", &path("other.pem")], "other.pem"),
        (vec!["--tls-certificate", &certificate, "--tls-key", &wrong_key], "cannot be used"),
        (vec!["--users", &path("users")], "line 2"),
        (vec!["--users", &path("nowhere")], "nowhere"),
        (vec!["--user", "ann"], "user:password"),
        (vec!["--advertise", "nowhere"], "host:port"),
    ] {
        let mut command = ticketing(["log", "serve", "--listen", "127.0.0.1:0", "--directory"]);
        command.arg(folder.path().join("log")).args(&arguments);
        let ended = outcome(command).await;
        let text = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success() && text.contains(said), "{arguments:?}: {text}");
        assert!(!text.contains("not-secret"), "{text}");
    }
}

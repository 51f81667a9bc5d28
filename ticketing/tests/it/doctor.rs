//! `ticketing doctor`: what is there, and what to do about what is not.

use embedded_log::testing::{TestCertificate, TestLog};
use local_services::testing::{TestDatabase, TestFolder, TestNats};
use tokio::process::Command;

use crate::program::{Program, outcome, ticketing};

const KEY: &str = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";

/// In a folder where nothing runs.
fn doctor(folder: &TestFolder, settings: &[(&str, &str)]) -> Command {
    let mut command = ticketing(["doctor", "--data"]);
    command.arg(folder.path()).envs(settings.iter().copied());
    for key in ["TICKETING_SESSION_KEY", "TICKETING_VAULT_KEY", "TICKETING_TOKEN_KEYS"] {
        command.env(key, KEY);
    }
    command
}

/// Whether all is good, and what it says of each part.
async fn examined(command: Command) -> (bool, String) {
    let output = outcome(command).await;
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), said + &String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_said_to_be_good() {
    let (folder, log) = (TestFolder::new(), TestLog::start().await);
    let (database, nats) = (TestDatabase::create().await, TestNats::start().await);
    let mut sandbox = Program::start(ticketing(["stripe-sandbox", "--listen", "127.0.0.1:0"]));
    let line = sandbox.wait_for("stripe-sandbox: ").await;
    let sandbox_at = line.split(' ').find(|word| word.starts_with("http://")).unwrap();
    let settings = [
        ("KURRENTDB_URL", &*log.connection_string()),
        ("DATABASE_URL", database.url()),
        ("NATS_URL", nats.url()),
        ("STRIPE_SECRET_KEY", "sk_test_doctor"),
        ("STRIPE_API_BASE", sandbox_at),
    ];
    let (good, said) = examined(doctor(&folder, &settings)).await;
    assert!(good, "{said}");
    for part in ["keys", "log", "postgres", "nats", "stripe"] {
        let good = said.lines().any(|line| line.contains("ok") && line.contains(part));
        assert!(good, "{part}: {said}");
    }

    // The same, but for one thing that is wrong with each.
    let bare = log.connection_string().replace("tls=false", "tls=true");
    for (name, wrong, part) in [
        ("KURRENTDB_URL", &*bare, "log"),
        ("KURRENTDB_URL", "log.example", "log"),
        ("DATABASE_URL", "postgres://nobody:secret@127.0.0.1:1/none", "postgres"),
        ("NATS_URL", "nats://127.0.0.1:1", "nats"),
        ("STRIPE_API_BASE", "http://127.0.0.1:1", "stripe"),
        ("TICKETING_VAULT_KEY", "secret", "keys"),
    ] {
        let mut command = doctor(&folder, &settings);
        command.env(name, wrong);
        let (good, said) = examined(command).await;
        assert!(!good, "{name}: {said}");
        let bad: Vec<_> = said.lines().filter(|line| line.contains("BAD")).collect();
        assert!(bad.len() == 1 && bad[0].contains(part), "{name}: {said}");
        assert!(!said.contains("secret@"), "{said}");
    }
}

/// The settings of a login reach NATS: here it asks for a password and for a certificate.
#[tokio::test(flavor = "multi_thread")]
async fn nats_is_examined_as_whom_the_settings_name() {
    let folder = TestFolder::new();
    let certificate = TestCertificate::make(folder.path());
    let nats = TestNats::start_with(&format!(
        "authorization {{ user: relay, password: right }}\ntls {{ cert_file: {:?}, key_file: {:?}, \
         ca_file: {:?}, verify: true }}\n",
        certificate.certificate, certificate.key, certificate.authority
    ))
    .await;
    let (authority, shown, key) = (
        certificate.authority.display().to_string(),
        certificate.certificate.display().to_string(),
        certificate.key.display().to_string(),
    );
    let settings = [
        ("NATS_URL", nats.url()),
        ("TICKETING_NATS_USER", "relay"),
        ("TICKETING_NATS_PASSWORD", "right"),
        ("TICKETING_NATS_CA", &authority),
        ("TICKETING_NATS_CERTIFICATE", &shown),
        ("TICKETING_NATS_KEY", &key),
    ];
    let (good, said) = examined(doctor(&folder, &settings)).await;
    assert!(good, "{said}");
    let mut command = doctor(&folder, &settings);
    command.env("TICKETING_NATS_PASSWORD", "guessed");
    let (good, said) = examined(command).await;
    assert!(!good && !said.contains("guessed"), "{said}");
}

#[tokio::test]
async fn what_is_not_set_is_left_out() {
    let (good, said) = examined(doctor(&TestFolder::new(), &[])).await;
    assert!(good, "{said}");
    assert!(said.contains("NATS_URL"), "which setting it would be: {said}");
}

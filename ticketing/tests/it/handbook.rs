//! Completions and manual pages.

use local_services::testing::TestFolder;

use crate::program::{outcome, ticketing};

#[tokio::test]
async fn shells_complete_commands_and_options() {
    for shell in ["bash", "zsh", "fish"] {
        let script = outcome(ticketing(["completions", shell])).await;
        assert!(script.status.success());
        let script = String::from_utf8(script.stdout).unwrap();
        for word in ["command-api", "reservation-seconds"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
}

#[tokio::test]
async fn every_command_has_a_manual_page() {
    let folder = TestFolder::new();
    let pages = folder.path().join("man1");
    let written = outcome(ticketing(["man", pages.to_str().unwrap()])).await;
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let page = std::fs::read_to_string(pages.join("ticketing-log-serve.1")).unwrap();
    assert!(page.contains("TICKETING_LOG_LISTEN"), "{page}");
    assert!(pages.join("ticketing.1").exists());
}

//! Each promise of executing a command, broken on purpose; the test that keeps it must notice.
//!
//! `cargo nextest run -p eventlog --features mutants mutants`

use std::process::Command;

/// The mistake, and who notices it.
const NOTICED: [(&str, &str); 7] = [
    // The log is told at which revision the stream was when the command was decided.
    ("AnyRevision", "contention::of_two_processes_that_race_for_the_last_unit_exactly_one_wins"),
    // An append whose outcome is unclear is sent again under the same ids.
    ("OtherIds", "outage::an_append_whose_answer_was_lost_takes_effect_once_and_is_answered"),
    // A command takes effect once, however long ago that was.
    (
        "Forgetful",
        "execute::the_same_command_twice_takes_effect_once_here_elsewhere_and_after_a_restart",
    ),
    // What was answered first is answered again.
    ("AnswersAnew", "repeated::a_repeated_command_is_answered_with_the_state_it_made"),
    // After a conflict only what is new is read.
    ("ReadsAll", "outage::after_a_conflict_only_what_is_new_is_read"),
    // There is room for so many commands and no more.
    (
        "Unbounded",
        "overload::\
         of_a_crowd_at_one_stream_some_are_told_to_come_again_and_none_of_those_had_an_effect",
    ),
    // Nothing is begun for whoever has stopped waiting.
    ("BeginsLate", "deadline::a_command_whose_time_is_over_before_its_turn_is_never_begun"),
];

#[test]
fn each_mistake_is_noticed_by_the_test_of_what_it_breaks() {
    for (mutant, test) in NOTICED {
        assert!(passes(test, ""), "{test} fails without a mistake");
        assert!(!passes(test, mutant), "{test} does not notice {mutant}");
    }
}

/// Whether the test passes in a process of its own that makes that mistake.
fn passes(test: &str, mutant: &str) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let ended = command.args(["--exact", test]).env("TICKETING_MUTANT", mutant).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(said.contains("running 1 test"), "there is no test {test}");
    ended.status.success()
}

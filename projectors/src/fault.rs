//! What an error of the database means for those who apply events.

use eventlog::TakeError;

/// Why events could not be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It passes.
    Outage,
    /// An event does not fit the tables and never will; others may.
    Unfit,
    /// Something is wrong with the program or the tables, and no event is to blame.
    Broken,
}

impl Fault {
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        if let sqlx::Error::Database(error) = error {
            return error.code().map_or(Self::Broken, |code| of_code(&code));
        }
        if matches!(error, sqlx::Error::Encode(_) | sqlx::Error::Decode(_)) {
            return Self::Unfit;
        }
        let passes = matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::BeginFailed
        );
        if passes { Self::Outage } else { Self::Broken }
    }
}

/// By the class of the SQLSTATE. Outages: connection, authorization (a password being changed),
/// read-only (a standby being promoted), rolled back for others' sake, out of resources, lock not
/// to be had, operator at work, system error. Unfit: data that no column takes, and constraints.
fn of_code(code: &str) -> Fault {
    const OUTAGES: [&str; 8] = ["08", "28", "25", "40", "53", "55", "57", "58"];
    const UNFIT: [&str; 2] = ["22", "23"];
    match code.get(..2) {
        Some(class) if OUTAGES.contains(&class) => Fault::Outage,
        Some(class) if UNFIT.contains(&class) => Fault::Unfit,
        Some(_) | None => Fault::Broken,
    }
}

/// As a follower tells it.
pub(crate) fn take_error(error: sqlx::Error) -> TakeError {
    match Fault::of(&error) {
        Fault::Outage => TakeError::Transient(error.into()),
        Fault::Unfit | Fault::Broken => TakeError::Halt(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_an_unfit_event_and_a_fault_of_ours_are_told_apart() {
        assert_eq!(Fault::of(&sqlx::Error::PoolTimedOut), Fault::Outage);
        let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert_eq!(Fault::of(&sqlx::Error::Io(lost)), Fault::Outage);
        assert_eq!(Fault::of(&sqlx::Error::Decode("no stream of ours".into())), Fault::Unfit);
        assert_eq!(Fault::of(&sqlx::Error::RowNotFound), Fault::Broken);
        for code in ["57P01", "40001", "53300"] {
            assert_eq!(of_code(code), Fault::Outage);
        }
        for code in ["23505", "22003"] {
            assert_eq!(of_code(code), Fault::Unfit);
        }
        // A column that is missing is missing for every event.
        for code in ["42703", "42P01", ""] {
            assert_eq!(of_code(code), Fault::Broken);
        }
    }
}

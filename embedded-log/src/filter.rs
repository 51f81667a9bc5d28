//! Filters of `$all`: by prefixes or a regular expression, on the stream's name or the event's type.

use crate::limits::{FILTER_BYTES_MAX, FILTER_PREFIXES_MAX, FILTER_STEPS_MAX};
use crate::store::format::Record;

/// Which events of `$all` a reader gets.
pub(crate) struct Filter {
    subject: Subject,
    rule: Rule,
}

#[derive(Clone, Copy)]
pub(crate) enum Subject {
    Stream,
    EventType,
}

enum Rule {
    Everything,
    Prefixes(Vec<String>),
    // .NET clients send look-ahead, so it takes an engine that backtracks; its steps are bounded.
    Regex(Box<fancy_regex::Regex>),
}

/// Why a filter was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    #[error(
        "the filter is longer than {FILTER_BYTES_MAX} bytes or has more than {FILTER_PREFIXES_MAX} prefixes"
    )]
    TooLong,
    #[error("the filter's regular expression is not understood: {0}")]
    Regex(#[from] Box<fancy_regex::Error>),
}

impl Filter {
    /// Lets everything pass.
    pub(crate) fn everything() -> Self {
        Self { subject: Subject::Stream, rule: Rule::Everything }
    }

    /// Prefixes win over the regular expression; with neither, everything passes.
    pub(crate) fn new(
        subject: Subject,
        prefixes: Vec<String>,
        regex: &str,
    ) -> Result<Self, FilterError> {
        let longest = prefixes.iter().map(String::len).max().unwrap_or(0).max(regex.len());
        if longest > FILTER_BYTES_MAX || prefixes.len() > FILTER_PREFIXES_MAX {
            return Err(FilterError::TooLong);
        }
        let rule = if !prefixes.is_empty() {
            Rule::Prefixes(prefixes)
        } else if regex.is_empty() {
            Rule::Everything
        } else {
            Rule::Regex(Box::new(compile(regex).map_err(Box::new)?))
        };
        Ok(Self { subject, rule })
    }

    pub(crate) fn passes(&self, record: &Record) -> bool {
        let name = match self.subject {
            Subject::Stream => record.stream(),
            Subject::EventType => &record.event_type,
        };
        match &self.rule {
            Rule::Everything => true,
            Rule::Prefixes(prefixes) => prefixes.iter().any(|prefix| name.starts_with(prefix)),
            // Out of steps is no match: a page must end, and a follower must not stall on one name.
            Rule::Regex(regex) => regex.is_match(name).unwrap_or(false),
        }
    }
}

fn compile(pattern: &str) -> Result<fancy_regex::Regex, fancy_regex::Error> {
    const PROGRAM_BYTES_MAX: usize = 1024 * 1024;
    fancy_regex::RegexBuilder::new(pattern)
        .backtrack_limit(FILTER_STEPS_MAX)
        .delegate_size_limit(PROGRAM_BYTES_MAX)
        .build()
}

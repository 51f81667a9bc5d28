//! A calm day proves nothing: what a storm must at least have seen.

/// Rows of the report, and the least that each has to say, however short or slow the storm was.
const LEAST: [(&str, u64); 17] = [
    ("paid", 20),
    ("declined by the bank", 3),
    ("cancelled", 5),
    ("expired", 10),
    ("refunded by the seller", 1),
    ("refunded at the provider", 1),
    ("disputed", 1),
    ("refunded, or about to be", 2),
    ("trouble at the sandbox, lost_answer", 5),
    ("trouble at the sandbox, error_500", 5),
    ("trouble at the sandbox, error_500_after", 2),
    ("trouble at the sandbox, rate_limit", 2),
    ("trouble at the sandbox, slow_ms", 5),
    ("trouble at the sandbox, webhook_lost", 5),
    ("trouble at the sandbox, webhook_twice", 5),
    ("trouble at the sandbox, webhook_held_back", 5),
    ("times the shop was killed", 2),
];

/// What there was too little of.
pub(super) fn lacks(said: &str) -> Vec<String> {
    let lacking = LEAST.iter().filter_map(|(row, least)| match count(said, row) {
        Some(seen) if seen >= *least => None,
        seen => Some(format!("{row}: {}, not {least}", seen.unwrap_or_default())),
    });
    lacking.collect()
}

/// What the report says in a row.
fn count(said: &str, row: &str) -> Option<u64> {
    let mut rows = said.lines().filter_map(|line| line.strip_prefix("  ")?.strip_prefix(row));
    rows.find_map(|rest| rest.strip_prefix(' ')?.trim().parse().ok())
}

#[test]
fn a_calm_day_proves_nothing() {
    let report: String =
        LEAST.iter().map(|(row, least)| format!("  {row:<38} {least:>10}\n")).collect();
    assert_eq!(lacks(&report), Vec::<String>::new());
    let calm = report.replace("  disputed ", "  nobody disputed ");
    assert_eq!(lacks(&calm), ["disputed: 0, not 1"]);
    assert_eq!(lacks("").len(), LEAST.len());
}

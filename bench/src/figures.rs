//! Numbers as a table shows them.

/// Three digits that matter, or all before the point.
#[must_use]
pub fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => grouped(number),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// With a comma after each three digits.
#[must_use]
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_grouped() {
        let texts: Vec<_> = [0.0, 0.456, 12.34, 100.0, 46_123.4, 1_000_000.0].map(short).into();
        assert_eq!(texts, ["0.00", "0.46", "12.3", "100", "46,123", "1,000,000"]);
    }
}

//! Numbers as attributes report them: typed, or as text with white space around it.

use crate::tree::Value;

const NUMBER_TEXT_MAX: usize = 64;

/// Without white space of ASCII around it.
#[inline]
pub fn trimmed(mut text: &[u8]) -> &[u8] {
    if let [b'!'..=0xff, .., b'!'..=0xff] = text {
        return text;
    }
    while let [b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c] = text {
        text = rest;
    }
    text
}

/// A finite number as it was reported.
pub enum Reported {
    /// Typed, or of text.
    Int(i64),
    /// Of text; the exact integer was beyond int64.
    Far(f64),
    /// Typed, or of text.
    Double(f64),
}

impl Reported {
    /// The number that an attribute's value is, None where it is none.
    pub fn of(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Int(number) => Some(Reported::Int(*number)),
            Value::Double(number) if number.is_finite() => Some(Reported::Double(*number)),
            Value::Text(text) => number_in(trimmed(text)),
            _ => None,
        }
    }

    /// As a double, the nearest one.
    pub fn as_double(&self) -> f64 {
        match *self {
            Reported::Int(found) => found as f64,
            Reported::Far(found) | Reported::Double(found) => found,
        }
    }
}

fn number_in(text: &[u8]) -> Option<Reported> {
    if text.len() > NUMBER_TEXT_MAX {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let after_integer = unsigned.trim_start_matches(|digit: char| digit.is_ascii_digit());
    if after_integer.is_empty() && !unsigned.is_empty() {
        return text.parse().map(Reported::Int).or_else(|_| text.parse().map(Reported::Far)).ok();
    }
    let has_integer = after_integer.len() < unsigned.len();
    let after_point = match after_integer.strip_prefix('.') {
        Some(fraction) => {
            let rest = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if !has_integer && rest.len() == fraction.len() {
                return None;
            }
            rest
        }
        None if has_integer => after_integer,
        None => return None,
    };
    if let Some(exponent) = after_point.strip_prefix(['e', 'E']) {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
    } else if !after_point.is_empty() {
        return None;
    }
    text.parse().ok().filter(|found: &f64| found.is_finite()).map(Reported::Double)
}

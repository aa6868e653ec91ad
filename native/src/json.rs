//! JSON text: strings, numbers, bytes, objects whose members we name. The format is said in the reference's `document.py`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::key::{HIGH, escaped};

const PLAIN_DOUBLE_LIMIT: f64 = 1e15;

/// What a byte of a string becomes: itself (0), `\u00xx` (`u`), or a backslash and this.
#[allow(clippy::indexing_slicing)] // by the compiler, which says so if it fails
const ESCAPES: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[0x0c] = b'f';
    table[b'\n' as usize] = b'n';
    table[b'\r' as usize] = b'r';
    table[b'\t' as usize] = b't';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};
const HEX: &[u8; 16] = b"0123456789abcdef";

fn escape(byte: u8) -> u8 {
    ESCAPES.get(usize::from(byte)).copied().unwrap_or(0)
}

fn hex_digit(half: u8) -> u8 {
    HEX.get(usize::from(half & 0xf)).copied().unwrap_or(b'0')
}

/// A JSON string of UTF-8.
#[inline]
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut rest = text;
    while let Some(plain) = first_escaped(rest) {
        let (before, from) = rest.split_at(plain);
        out.extend_from_slice(before);
        let Some((&byte, after)) = from.split_first() else { break };
        match escape(byte) {
            b'u' => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex_digit(byte >> 4), hex_digit(byte)]),
            escaped => out.extend_from_slice(&[b'\\', escaped]),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Where the first byte that must be escaped is: eight at a time.
#[inline]
fn first_escaped(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, chunk) in words.iter().enumerate() {
        if escaped(u64::from_le_bytes(*chunk)) & HIGH != 0
            && let Some(place) = chunk.iter().position(|&byte| escape(byte) != 0)
        {
            return Some(index * 8 + place);
        }
    }
    let place = rest.iter().position(|&byte| escape(byte) != 0)?;
    Some(words.len() * 8 + place)
}

/// A JSON integer.
pub fn integer<T: itoa::Integer>(out: &mut Vec<u8>, value: T) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A double as a document holds it.
pub fn double(out: &mut Vec<u8>, value: f64) {
    if value.abs() < PLAIN_DOUBLE_LIMIT && !(value == 0.0 && value.is_sign_negative()) {
        decimal(out, value);
        return;
    }
    out.extend_from_slice(b"{\"$double\":\"");
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"Infinity" } else { b"-Infinity" });
    } else {
        decimal(out, value);
    }
    out.extend_from_slice(b"\"}");
}

/// The shortest decimal that reads back, written as Python writes it.
fn decimal(out: &mut Vec<u8>, value: f64) {
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value);
    // Here both write digits and a point.
    if (1e-3..PLAIN_DOUBLE_LIMIT).contains(&value.abs()) {
        return out.extend_from_slice(shortest.as_bytes());
    }
    let (sign, digits) = match shortest.strip_prefix('-') {
        Some(digits) => (&b"-"[..], digits),
        None => (&b""[..], shortest),
    };
    out.extend_from_slice(sign);
    if let Some((mantissa, exponent)) = digits.split_once('e') {
        scientific(out, mantissa, exponent.parse().unwrap_or(0));
    } else if let Some(fraction) = digits.strip_prefix("0.0000") {
        // Python goes over to exponents one digit earlier.
        let (first, others) = fraction.split_at_checked(1).unwrap_or((fraction, ""));
        out.extend_from_slice(first.as_bytes());
        if !others.is_empty() {
            out.push(b'.');
            out.extend_from_slice(others.as_bytes());
        }
        out.extend_from_slice(b"e-05");
    } else {
        out.extend_from_slice(digits.as_bytes());
    }
}

fn scientific(out: &mut Vec<u8>, mantissa: &str, exponent: i32) {
    out.extend_from_slice(mantissa.strip_suffix(".0").unwrap_or(mantissa).as_bytes());
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    if exponent.abs() < 10 {
        out.push(b'0');
    }
    integer(out, exponent.abs());
}

/// Bytes as lower-case hexadecimal in quotes.
pub fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    out.extend(bytes.iter().flat_map(|&byte| [hex_digit(byte >> 4), hex_digit(byte)]));
    out.push(b'"');
}

/// Bytes as the object that stands for them in a document.
pub fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"{\"$bytes\":\"");
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.extend_from_slice(b"\"}");
}

/// A JSON string of what stands in one as it is.
#[inline]
pub fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

/// The members of an object whose names are ours, written one by one; those that are empty are left out by who writes.
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    /// Open it.
    pub fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Object { out, empty: true }
    }

    /// Begin a member: what is written next is its value.
    pub fn member(&mut self, name: &str) -> &mut Vec<u8> {
        self.out.extend_from_slice(if self.empty { b"\"" } else { b",\"" });
        self.empty = false;
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Close it.
    pub fn close(self) {
        self.out.push(b'}');
    }
}

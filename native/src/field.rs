//! One PostgreSQL value as the bytes of a binary COPY field: int32 length, then the type's binary form; -1 is NULL.

/// Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL's time begins.
const EPOCH_US: i64 = 946_684_800_000_000;
const EPOCH_DAYS: i64 = 10_957;
const TEXT_OID: u32 = 25;
const INT8_OID: u32 = 20;
const FLOAT8_OID: u32 = 701;
const UUID_OID: u32 = 2950;

/// The types that a column may have.
pub const TYPES: &[&str] = &[
    "bool",
    "bytea",
    "date",
    "float8",
    "float8[]",
    "int2",
    "int8",
    "int8[]",
    "jsonb",
    "text",
    "text[]",
    "timestamptz",
    "uuid",
    "uuid[]",
];

/// NULL.
pub const NULL: [u8; 4] = [0xff; 4];

/// The place of a field whose length is not known yet.
#[must_use]
pub struct Open(usize);

/// Begin a field.
#[inline]
pub fn open(out: &mut Vec<u8>) -> Open {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    Open(at)
}

/// End it: everything since is its value.
#[inline]
pub fn close(out: &mut [u8], field: Open) {
    let size = out.len().saturating_sub(field.0 + 4);
    if let Some(length) = out.get_mut(field.0..field.0 + 4) {
        length.copy_from_slice(&(size as u32).to_be_bytes());
    }
}

/// How many columns a row has: its first bytes.
pub fn column_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u16).to_be_bytes());
}

/// NULL.
#[inline]
pub fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(&NULL);
}

/// A `bool` field.
#[inline]
pub fn boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(&[0, 0, 0, 1, u8::from(value)]);
}

/// An `int2` field.
#[inline]
pub fn int2(out: &mut Vec<u8>, value: i16) {
    let [high, low] = value.to_be_bytes();
    out.extend_from_slice(&[0, 0, 0, 2, high, low]);
}

#[inline]
fn eight(out: &mut Vec<u8>, bytes: [u8; 8]) {
    let mut field = [0u8; 12];
    field[3] = 8;
    field[4..].copy_from_slice(&bytes);
    out.extend_from_slice(&field);
}

/// An `int8` field.
#[inline]
pub fn int8(out: &mut Vec<u8>, value: i64) {
    eight(out, value.to_be_bytes());
}

/// A `float8` field.
#[inline]
pub fn float8(out: &mut Vec<u8>, value: f64) {
    eight(out, value.to_bits().to_be_bytes());
}

/// A `timestamptz` field from microseconds since the Unix epoch.
#[inline]
pub fn timestamptz(out: &mut Vec<u8>, value: i64) {
    int8(out, value.wrapping_sub(EPOCH_US));
}

/// A `date` field from days since the Unix epoch.
pub fn date(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&4u32.to_be_bytes());
    out.extend_from_slice(&((value - EPOCH_DAYS) as i32).to_be_bytes());
}

/// A `bytea`, `uuid` or `text` field.
#[inline]
pub fn raw(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value);
}

/// A `text` field of UTF-8, cut at `max_bytes` on a character boundary.
#[inline]
pub fn text(out: &mut Vec<u8>, value: &[u8], max_bytes: usize) {
    raw(out, cut(value, max_bytes));
}

/// The longest beginning of UTF-8 of at most `max_bytes` bytes that ends with a character.
#[inline]
pub fn cut(value: &[u8], max_bytes: usize) -> &[u8] {
    if value.len() <= max_bytes {
        return value;
    }
    let is_start = |at: &usize| value.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    let end = (0..=max_bytes).rev().find(is_start).unwrap_or(0);
    value.get(..end).unwrap_or_default()
}

/// A `jsonb` field of this JSON text.
pub fn jsonb(out: &mut Vec<u8>, json: &[u8]) {
    out.extend_from_slice(&((json.len() + 1) as u32).to_be_bytes());
    out.push(1);
    out.extend_from_slice(json);
}

fn array<T>(
    out: &mut Vec<u8>,
    oid: u32,
    count: usize,
    values: impl Iterator<Item = T>,
    mut element: impl FnMut(&mut Vec<u8>, T),
) {
    let field = open(out);
    let mut head = [0u8; 20];
    let words = [u32::from(count > 0), 0, oid, count as u32, 1];
    head.as_chunks_mut::<4>().0.iter_mut().zip(words).for_each(|(to, word)| *to = word.to_be_bytes());
    out.extend_from_slice(if count == 0 { head.get(..12).unwrap_or_default() } else { &head });
    for value in values {
        element(out, value);
    }
    close(out, field);
}

/// A `text[]` field of that many values.
pub fn texts<'t>(out: &mut Vec<u8>, count: usize, values: impl Iterator<Item = &'t [u8]>) {
    array(out, TEXT_OID, count, values, raw);
}

/// An `int8[]` field.
pub fn int8s(out: &mut Vec<u8>, values: &[u64]) {
    array(out, INT8_OID, values.len(), values.iter(), |out, &value| int8(out, value as i64));
}

/// A `float8[]` field.
pub fn float8s(out: &mut Vec<u8>, values: &[f64]) {
    array(out, FLOAT8_OID, values.len(), values.iter(), |out, &value| float8(out, value));
}

/// A `uuid[]` field.
pub fn uuids(out: &mut Vec<u8>, values: &[[u8; 16]]) {
    array(out, UUID_OID, values.len(), values.iter(), |out, value| raw(out, value));
}

//! Attributes and their values from the wire, merged as protobuf merges.

use crate::cursor::{Broken, Cursor, deeper, is_utf8};
use crate::key::scan;
use crate::repair::has_nul;
use crate::tree::{END, List, Node, Tree, Value};

type Result<T> = std::result::Result<T, Broken>;

impl<'a> Tree<'a> {
    /// Add the KeyValue in `data` to a list.
    #[inline]
    pub fn key_value(&mut self, data: &'a [u8], depth: u32, list: &mut List) -> Result<()> {
        self.add::<false>(data, depth, list)
    }

    /// The same for the attributes of a record itself, whose keys are remembered.
    #[inline]
    pub fn attribute(&mut self, data: &'a [u8], depth: u32, list: &mut List) -> Result<()> {
        if let Some((place, rest)) = self.memory.recall(data) {
            let mut cursor = Cursor::new(rest);
            let held = cursor.delimited()?;
            if cursor.is_empty() {
                let (value, unread) = self.value(held, deeper(depth)?)?;
                list.unread |= unread;
                let (key, hash, is_plain) = self.memory.step(place);
                return self.push(list, Node { key, value, hash, is_plain, has_index: false, next: END });
            }
        }
        self.add::<true>(data, depth, list)
    }

    #[inline]
    fn add<const REMEMBERED: bool>(&mut self, data: &'a [u8], depth: u32, list: &mut List) -> Result<()> {
        let (mut key, mut has_index): (&[u8], bool) = (b"", false);
        let (mut value, mut unread) = (None, false);
        let mut cursor = Cursor::new(data);
        while let Some(tag) = cursor.tag()? {
            match tag {
                0x0a => {
                    key = cursor.delimited()?;
                    if !scan(key).is_ascii && !is_utf8(key) {
                        return Err(Broken);
                    }
                }
                0x12 => {
                    let (held, depth) = (cursor.delimited()?, deeper(depth)?);
                    let Some(before) = value else {
                        let (found, is_unread) = self.value(held, depth)?;
                        (value, unread) = (Some(found), is_unread);
                        continue;
                    };
                    let mut merged = before;
                    self.any_value(held, depth, &mut merged)?;
                    (value, unread) = (Some(merged), is_unread(&merged));
                }
                0x18 => has_index = cursor.varint()? as u32 != 0,
                _ => cursor.skip(tag, depth)?,
            }
        }
        let scanned = scan(key);
        let is_fine = !scanned.has_nul && !matches!(key.first(), None | Some(b'$'));
        if REMEMBERED {
            self.memory.remember(data, key, scanned.hash, is_fine);
        }
        list.unread |= unread || !is_fine;
        let (value, hash) = (value.unwrap_or(Value::Null), scanned.hash);
        self.push(list, Node { key, value, hash, is_plain: false, has_index, next: END })
    }

    /// The AnyValue in `data`, and whether it must be looked at before it is in a document. Most hold one small field.
    #[inline]
    pub fn value(&mut self, data: &'a [u8], depth: u32) -> Result<(Value<'a>, bool)> {
        Ok(match *data {
            [0x18, byte] if byte < 0x80 => (Value::Int(byte.into()), false),
            [0x18, low, high] if low >= 0x80 && high < 0x80 => {
                (Value::Int(i64::from(low & 0x7f) | i64::from(high) << 7), false)
            }
            [0x21, ref bits @ ..] if let Ok(bits) = bits.try_into() => (Value::Double(f64::from_le_bytes(bits)), false),
            _ => match plain_text(data) {
                Some(text) => (Value::Text(text), false),
                None => {
                    let mut value = Value::Null;
                    self.any_value(data, depth, &mut value)?;
                    (value, is_unread(&value))
                }
            },
        })
    }

    /// Merge the AnyValue in `data` into `value`.
    pub fn any_value(&mut self, data: &'a [u8], depth: u32, value: &mut Value<'a>) -> Result<()> {
        let mut cursor = Cursor::new(data);
        while let Some(tag) = cursor.tag()? {
            match tag {
                0x0a => *value = Value::Text(cursor.text()?),
                0x10 => *value = Value::Bool(cursor.varint()? != 0),
                0x18 => *value = Value::Int(cursor.varint()? as i64),
                0x21 => *value = Value::Double(f64::from_bits(cursor.fixed64()?)),
                0x2a => {
                    let mut list = if let Value::Array(list) = value { *list } else { List::EMPTY };
                    self.array(cursor.delimited()?, deeper(depth)?, &mut list)?;
                    *value = Value::Array(list);
                }
                0x32 => {
                    let mut list = if let Value::Kvlist(list) = value { *list } else { List::EMPTY };
                    self.kvlist(cursor.delimited()?, deeper(depth)?, &mut list)?;
                    *value = Value::Kvlist(list);
                }
                0x3a => *value = Value::Bytes(cursor.delimited()?),
                0x40 => {
                    cursor.varint()?;
                    *value = Value::Index;
                }
                _ => cursor.skip(tag, depth)?,
            }
        }
        Ok(())
    }

    fn array(&mut self, data: &'a [u8], depth: u32, list: &mut List) -> Result<()> {
        let mut cursor = Cursor::new(data);
        while let Some(tag) = cursor.tag()? {
            if tag == 0x0a {
                let (value, unread) = self.value(cursor.delimited()?, deeper(depth)?)?;
                list.unread |= unread;
                self.push(list, Node { key: b"", value, hash: 0, is_plain: false, has_index: false, next: END })?;
            } else {
                cursor.skip(tag, depth)?;
            }
        }
        Ok(())
    }

    fn kvlist(&mut self, data: &'a [u8], depth: u32, list: &mut List) -> Result<()> {
        let mut cursor = Cursor::new(data);
        while let Some(tag) = cursor.tag()? {
            if tag == 0x0a {
                self.key_value(cursor.delimited()?, deeper(depth)?, list)?;
            } else {
                cursor.skip(tag, depth)?;
            }
        }
        Ok(())
    }
}

/// The string in an AnyValue of nothing else, as most are: ASCII without NUL, and not long.
#[inline]
fn plain_text(data: &[u8]) -> Option<&[u8]> {
    let [0x0a, size, text @ ..] = data else { return None };
    if usize::from(*size) != text.len() || text.len() >= 0x80 {
        return None;
    }
    let scanned = scan(text);
    (scanned.is_ascii && !scanned.has_nul).then_some(text)
}

fn is_unread(value: &Value<'_>) -> bool {
    match value {
        Value::Text(text) => has_nul(text),
        Value::Array(list) => list.unread,
        Value::Kvlist(list) => list.unread || list.len > 1,
        Value::Index => true,
        _ => false,
    }
}

//! Attributes and their values from the wire, merged as protobuf merges.

use crate::cursor::{Broken, Cursor, deeper, short_text};
use crate::key::{is_plain, scan};
use crate::memory::NOWHERE;
use crate::repair::has_nul;
use crate::tree::{END, List, Node, Tree, Value};

type Result<T> = std::result::Result<T, Broken>;

/// A value that was read.
pub struct Read<'a> {
    /// Itself.
    pub value: Value<'a>,
    /// Whether it must be looked at before it is in a document.
    pub unread: bool,
    /// Whether it is known to be a string that stands in JSON as it is.
    pub is_plain: bool,
}

impl<'a> Read<'a> {
    fn fine(value: Value<'a>) -> Self {
        Read { value, unread: false, is_plain: false }
    }
}

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
                let Read { value, unread, is_plain } = self.value(held, deeper(depth)?)?;
                list.unread |= unread;
                let (key, hash) = self.memory.step(place);
                return self.push(list, Node { key, value, hash, place, is_plain, has_index: false, next: END });
            }
        }
        self.add::<true>(data, depth, list)
    }

    #[inline]
    fn add<const REMEMBERED: bool>(&mut self, data: &'a [u8], depth: u32, list: &mut List) -> Result<()> {
        let (mut key, mut has_index): (&[u8], bool) = (b"", false);
        let mut scanned = scan(key);
        let mut read: Option<Read<'a>> = None;
        let mut cursor = Cursor::new(data);
        while let Some(tag) = cursor.tag()? {
            match tag {
                0x0a => {
                    key = cursor.delimited()?;
                    scanned = short_text(key)?;
                }
                0x12 => {
                    let (held, depth) = (cursor.delimited()?, deeper(depth)?);
                    read = Some(match read {
                        None => self.value(held, depth)?,
                        Some(before) => self.merged(held, depth, before.value)?,
                    });
                }
                0x18 => has_index = cursor.varint()? as u32 != 0,
                _ => cursor.skip(tag, depth)?,
            }
        }
        let is_fine = !scanned.has_nul && !matches!(key.first(), None | Some(b'$'));
        if REMEMBERED {
            self.memory.remember(data, key, scanned.hash, is_fine);
        }
        let Read { value, unread, is_plain } = read.unwrap_or(Read::fine(Value::Null));
        list.unread |= unread || !is_fine;
        self.push(list, Node { key, value, hash: scanned.hash, place: NOWHERE, is_plain, has_index, next: END })
    }

    /// The AnyValue in `data`.
    #[inline(always)]
    pub fn value(&mut self, data: &'a [u8], depth: u32) -> Result<Read<'a>> {
        match small(data) {
            Some(read) => Ok(read),
            None => self.merged(data, depth, Value::Null),
        }
    }

    /// The AnyValue in `data` merged into `value`.
    fn merged(&mut self, data: &'a [u8], depth: u32, mut value: Value<'a>) -> Result<Read<'a>> {
        self.any_value(data, depth, &mut value)?;
        Ok(Read { value, unread: is_unread(&value), is_plain: false })
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
                let Read { value, unread, is_plain } = self.value(cursor.delimited()?, deeper(depth)?)?;
                list.unread |= unread;
                self.push(list, Node { key: b"", value, hash: 0, place: NOWHERE, is_plain, has_index: false, next: END })?;
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

/// The AnyValue in `data` where it holds one small field, as most do.
#[inline(always)]
fn small(data: &[u8]) -> Option<Read<'_>> {
    Some(match *data {
        [0x0a, size, ref text @ ..] if usize::from(size) == text.len() && size < 0x80 && is_plain(text) => {
            Read { value: Value::Text(text), unread: false, is_plain: true }
        }
        [0x18, byte] if byte < 0x80 => Read::fine(Value::Int(byte.into())),
        [0x18, low, high] if low >= 0x80 && high < 0x80 => Read::fine(Value::Int(i64::from(low & 0x7f) | i64::from(high) << 7)),
        [0x21, ref bits @ ..] => Read::fine(Value::Double(f64::from_le_bytes(bits.try_into().ok()?))),
        _ => return None,
    })
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

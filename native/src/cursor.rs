//! Reading the fields of one record, as upb does: what it refuses is refused here, what it passes over is passed over.

use crate::key::{Scanned, scan};

/// The bytes are no message of the type they are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

/// How deep messages and unknown groups may stand in a record.
pub const DEPTH_MAX: u32 = 100;

type Result<T> = std::result::Result<T, Broken>;

/// One level deeper.
pub fn deeper(depth: u32) -> Result<u32> {
    depth.checked_sub(1).ok_or(Broken)
}

/// A position in one message.
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// At the start of a message.
    #[inline]
    pub fn new(data: &'a [u8]) -> Self {
        Cursor { rest: data }
    }

    /// How many bytes are left.
    #[inline]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// Whether it is at the end.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next tag, None at the end of the message.
    #[inline]
    pub fn tag(&mut self) -> Result<Option<u32>> {
        let tag = match *self.rest {
            [] => return Ok(None),
            [byte, ref rest @ ..] if byte < 0x80 => {
                self.rest = rest;
                u32::from(byte)
            }
            [low, high, ref rest @ ..] if high < 0x80 => {
                self.rest = rest;
                u32::from(low & 0x7f) | u32::from(high) << 7
            }
            _ => self.limited(u64::from(u32::MAX))? as u32,
        };
        if tag < 8 { Err(Broken) } else { Ok(Some(tag)) }
    }

    /// A varint of at most five bytes.
    #[cold]
    fn limited(&mut self, max: u64) -> Result<u64> {
        let before = self.rest.len();
        let value = self.varint()?;
        if before - self.rest.len() > 5 || value > max { Err(Broken) } else { Ok(value) }
    }

    /// A varint of at most ten bytes; bits beyond 64 are lost.
    #[inline]
    pub fn varint(&mut self) -> Result<u64> {
        if let [byte, ref rest @ ..] = *self.rest
            && byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(byte));
        }
        let mut value = 0u64;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.rest = self.rest.get(index + 1..).ok_or(Broken)?;
                return Ok(value);
            }
        }
        Err(Broken)
    }

    /// The value of a length-delimited field.
    #[inline]
    pub fn delimited(&mut self) -> Result<&'a [u8]> {
        let size = match *self.rest {
            [byte, ref rest @ ..] if byte < 0x80 => {
                self.rest = rest;
                usize::from(byte)
            }
            [low, high, ref rest @ ..] if high < 0x80 => {
                self.rest = rest;
                usize::from(low & 0x7f) | usize::from(high) << 7
            }
            _ => self.limited(i32::MAX as u64)? as usize,
        };
        let (value, rest) = self.rest.split_at_checked(size).ok_or(Broken)?;
        self.rest = rest;
        Ok(value)
    }

    /// The value of a string field, which is UTF-8. It stays bytes: to make a `str` of each costs more than the check.
    #[inline]
    pub fn text(&mut self) -> Result<&'a [u8]> {
        let bytes = self.delimited()?;
        if is_utf8(bytes) { Ok(bytes) } else { Err(Broken) }
    }

    /// Eight bytes.
    #[inline]
    pub fn fixed64(&mut self) -> Result<u64> {
        let (bytes, rest) = self.rest.split_first_chunk::<8>().ok_or(Broken)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// Four bytes.
    #[inline]
    pub fn fixed32(&mut self) -> Result<u32> {
        let (bytes, rest) = self.rest.split_first_chunk::<4>().ok_or(Broken)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*bytes))
    }

    /// Pass over the value of a field that is not known, groups included.
    #[cold]
    pub fn skip(&mut self, tag: u32, depth: u32) -> Result<()> {
        let mut groups: Vec<u32> = Vec::new();
        let mut tag = tag;
        loop {
            match tag & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.fixed64()?),
                2 => drop(self.delimited()?),
                3 => {
                    groups.push(tag >> 3);
                    if groups.len() > depth as usize {
                        return Err(Broken);
                    }
                }
                4 if groups.pop() == Some(tag >> 3) => {}
                5 => drop(self.fixed32()?),
                _ => return Err(Broken),
            }
            if groups.is_empty() {
                return Ok(());
            }
            tag = self.tag()?.ok_or(Broken)?;
        }
    }
}

/// How long a string must be for a call to be worth it.
const LONG: usize = 64;

/// Whether these are UTF-8.
#[inline]
pub fn is_utf8(bytes: &[u8]) -> bool {
    if bytes.len() >= LONG {
        simdutf8::basic::from_utf8(bytes).is_ok()
    } else {
        is_ascii(bytes) || std::str::from_utf8(bytes).is_ok()
    }
}

/// What one look at a string says that is UTF-8 and mostly short.
#[inline(always)]
pub fn short_text(text: &[u8]) -> Result<Scanned> {
    let scanned = scan(text);
    if scanned.is_ascii || is_utf8(text) { Ok(scanned) } else { Err(Broken) }
}

/// Whether these are ASCII: eight at a time, for most strings are too short for a call.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    let high = words.iter().fold(0, |found, word| found | u64::from_le_bytes(*word));
    high & HIGH == 0 && rest.iter().fold(0, |found, byte| found | byte) < 0x80
}

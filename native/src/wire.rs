//! Reading protobuf's wire format around the records: the outer levels of an export request.
//!
//! One loop, no recursion, nothing is copied, and no length is believed before it is checked against the end of its message.

/// The bytes are not a protobuf message: why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// The wire type of strings, bytes and messages.
pub const LENGTH_DELIMITED: u64 = 2;
/// The tag under which fields inside an unknown group are reported: no field can have it.
pub const INSIDE_GROUP: u32 = 0;

const MAX_GROUP_DEPTH: usize = 100;
const TAG_MIN: u128 = 1 << 3;
const TAG_MAX: u128 = u32::MAX as u128;

/// The tag of a field that holds a string, bytes or a message.
pub const fn tag(number: u32) -> u32 {
    number << 3 | LENGTH_DELIMITED as u32
}

/// One field: its tag, its value without its length, and where in the message it begins and ends.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// `number << 3 | wire type`, or INSIDE_GROUP.
    pub tag: u32,
    /// The value without its length.
    pub value: &'a [u8],
    /// Where in the message the tag begins.
    pub start: usize,
    /// Where in the message the value ends.
    pub end: usize,
}

/// The varint at `position` and the position after it. Ten bytes hold 70 bits.
pub fn varint(buffer: &[u8], mut position: usize) -> Result<(u128, usize), Malformed> {
    let mut result = 0u128;
    for shift in (0..70).step_by(7) {
        let Some(&byte) = buffer.get(position) else {
            return Err(Malformed("truncated varint"));
        };
        position += 1;
        result |= u128::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok((result, position));
        }
    }
    Err(Malformed("a varint is longer than 10 bytes"))
}

/// The fields of a message, in order; ends with the first error.
pub struct Fields<'a> {
    buffer: &'a [u8],
    position: usize,
    groups: Vec<u128>,
}

/// The fields of the message `buffer`.
pub fn fields(buffer: &[u8]) -> Fields<'_> {
    Fields { buffer, position: 0, groups: Vec::new() }
}

impl<'a> Fields<'a> {
    fn short_or_long(&self, position: usize) -> Result<(u128, usize), Malformed> {
        match self.buffer.get(position) {
            Some(&byte) if byte < 0x80 => Ok((u128::from(byte), position + 1)),
            _ => varint(self.buffer, position),
        }
    }

    /// A length-delimited field outside of groups, its tag in one byte and its length in one or two, as nearly all are.
    #[inline]
    fn read_common(&self) -> Option<Field<'a>> {
        let start = self.position;
        let rest = self.buffer.get(start..)?;
        let (tag, header, size) = match *rest {
            [tag, size, ..] if size < 0x80 => (tag, 2, usize::from(size)),
            [tag, low, high, ..] if high < 0x80 => (tag, 3, usize::from(low & 0x7f) | usize::from(high) << 7),
            _ => return None,
        };
        if !(8..0x80).contains(&tag) || u64::from(tag & 7) != LENGTH_DELIMITED || !self.groups.is_empty() {
            return None;
        }
        let value = rest.get(header..header + size)?;
        Some(Field { tag: u32::from(tag), value, start, end: start + header + size })
    }

    fn read(&mut self) -> Result<Field<'a>, Malformed> {
        let start = self.position;
        let (number, after_tag) = self.short_or_long(start)?;
        let mut value_start = after_tag;
        let end = match (number & 7) as u64 {
            LENGTH_DELIMITED => {
                let (size, after_size) = self.short_or_long(after_tag)?;
                value_start = after_size;
                after_size as u128 + size
            }
            0 => varint(self.buffer, after_tag)?.1 as u128,
            1 => after_tag as u128 + 8,
            3 => {
                self.groups.push(number >> 3);
                if self.groups.len() > MAX_GROUP_DEPTH {
                    return Err(Malformed("groups nest too deeply"));
                }
                after_tag as u128
            }
            4 => {
                if self.groups.pop().is_none_or(|open| open != number >> 3) {
                    return Err(Malformed("an end of group without its start"));
                }
                after_tag as u128
            }
            5 => after_tag as u128 + 4,
            6 => return Err(Malformed("wire type 6 does not exist")),
            _ => return Err(Malformed("wire type 7 does not exist")),
        };
        if !(TAG_MIN..=TAG_MAX).contains(&number) {
            return Err(Malformed("a field number is out of range"));
        }
        let Some(value) = usize::try_from(end).ok().and_then(|end| self.buffer.get(value_start..end)) else {
            return Err(Malformed("a field is longer than its message"));
        };
        self.position = value_start + value.len();
        let tag = if self.groups.is_empty() { number as u32 } else { INSIDE_GROUP };
        Ok(Field { tag, value, start, end: self.position })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(field) = self.read_common() {
            self.position = field.end;
            return Some(Ok(field));
        }
        self.next_uncommon()
    }
}

impl<'a> Fields<'a> {
    fn next_uncommon(&mut self) -> Option<Result<Field<'a>, Malformed>> {
        if self.position >= self.buffer.len() {
            if self.groups.is_empty() {
                return None;
            }
            self.groups.clear();
            return Some(Err(Malformed("a group has no end")));
        }
        let found = self.read();
        if found.is_err() {
            self.position = self.buffer.len();
            self.groups.clear();
        }
        Some(found)
    }
}

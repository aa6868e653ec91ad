//! The buckets of an exponential histogram.

use crate::cursor::{Broken, Cursor};
use crate::json::{self, Object};

/// One side of an exponential histogram.
#[derive(Default)]
pub struct Buckets {
    /// Whether it was sent.
    pub is_there: bool,
    offset: i32,
    /// By bucket.
    pub counts: Vec<u64>,
}

impl Buckets {
    /// Not sent.
    pub fn clear(&mut self) {
        self.is_there = false;
        self.offset = 0;
        self.counts.clear();
    }

    /// Merge those in `data`.
    pub fn parse(&mut self, data: &[u8], depth: u32) -> Result<(), Broken> {
        self.is_there = true;
        let mut cursor = Cursor::new(data);
        while let Some(tag) = cursor.tag()? {
            match tag {
                0x08 => self.offset = zigzag(cursor.varint()?),
                0x10 => self.counts.push(cursor.varint()?),
                0x12 => {
                    let mut packed = Cursor::new(cursor.delimited()?);
                    while !packed.is_empty() {
                        self.counts.push(packed.varint()?);
                    }
                }
                _ => cursor.skip(tag, depth)?,
            }
        }
        Ok(())
    }

    /// As JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        if self.offset != 0 {
            json::integer(object.member("offset"), self.offset);
        }
        if !self.counts.is_empty() {
            let member = object.member("bucket_counts");
            for (index, &count) in self.counts.iter().enumerate() {
                let before = if index > 0 { b',' } else { b'[' };
                // Most are small.
                match count {
                    0..10 => member.extend_from_slice(&[before, b'0' + count as u8]),
                    10..100 => member.extend_from_slice(&[before, b'0' + count as u8 / 10, b'0' + count as u8 % 10]),
                    _ => {
                        member.push(before);
                        json::integer(member, count);
                    }
                }
            }
            member.push(b']');
        }
        object.close();
    }
}

/// A sint32.
pub fn zigzag(value: u64) -> i32 {
    let value = value as u32;
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

/// All of them together.
pub fn sum_of(counts: &[u64]) -> u128 {
    counts.iter().map(|&count| u128::from(count)).sum()
}

//! The keys of the last record's attributes by place: records of one emitter have the same ones in the same order, and what was
//! found out about them need not be found out again.

use crate::document;

/// A key that is fine as it comes: neither empty, nor repaired, nor doubled.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    /// The KeyValue up to its value: tag, length and bytes of the key, tag of the value.
    head: &'a [u8],
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Of those.
    pub hash: u64,
    /// Whether it stands in JSON as it is.
    pub is_plain: bool,
}

/// What is remembered of a request.
#[derive(Default)]
pub struct Memory<'a> {
    keys: Vec<Key<'a>>,
    /// How many keys that one had, if they were all fine, no two alike, and none was another since.
    last: Option<u32>,
}

impl<'a> Memory<'a> {
    /// The key at a place of the last record and the rest of the KeyValue in `data`, if it begins with that key.
    #[inline]
    pub fn recall(&self, place: u32, data: &'a [u8]) -> Option<(Key<'a>, &'a [u8])> {
        let key = self.keys.get(place as usize)?;
        Some((*key, data.strip_prefix(key.head)?))
    }

    /// The key at that place is the one of the KeyValue in `data`. It may be the one that was there, where the fast way was
    /// not taken.
    pub fn remember(&mut self, place: u32, data: &'a [u8], bytes: &'a [u8], hash: u64, is_fine: bool) {
        if self.keys.get(place as usize).is_some_and(|known| known.bytes == bytes) {
            return;
        }
        self.last = None;
        let head = data.get(..bytes.len() + 3).filter(|head| {
            let is_short = bytes.len() < 0x80;
            is_fine
                && is_short
                && head.starts_with(&[0x0a, bytes.len() as u8])
                && head.ends_with(&[0x12])
                && head.get(2..).is_some_and(|rest| rest.starts_with(bytes))
        });
        let Some(head) = head else { return self.keys.truncate(place as usize) };
        let key = Key { head, bytes, hash, is_plain: document::is_plain(bytes) };
        if let Some(known) = self.keys.get_mut(place as usize) {
            *known = key;
        } else if self.keys.len() == place as usize {
            self.keys.push(key);
        }
    }

    /// Whether the keys of this record, which are so many, are those of the last one.
    pub fn is_same(&self, count: u32) -> bool {
        self.last == Some(count)
    }

    /// A record with so many keys was read, `kept` of them apart from each other.
    pub fn read(&mut self, count: u32, kept: u32) {
        self.last = (count == kept && self.keys.len() >= count as usize).then_some(count);
    }
}

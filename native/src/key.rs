//! Attribute keys: a fast hash, and the table of those that the spec knows.

use std::collections::HashSet;

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const FOLD: u64 = 0xd6e8_feb8_6659_fd93;

fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * u128::from(FOLD);
    (product as u64) ^ ((product >> 64) as u64)
}

const ONES: u64 = u64::MAX / 0xff;
/// The highest bit of each byte of a word.
pub const HIGH: u64 = ONES << 7;

/// The words of a string, eight bytes each. Loops over short strings end where nobody can foresee, which costs more than what is in
/// them: so there is one, whatever is asked.
#[inline(always)]
fn words(text: &[u8], mut see: impl FnMut(u64)) {
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        see(u64::from_le_bytes(*word));
    }
    // What is left is read together with what came before it: to gather single bytes in memory stalls.
    match (text.last_chunk::<8>(), text.first_chunk::<4>(), text.last_chunk::<4>()) {
        _ if rest.is_empty() => {}
        (Some(last), ..) => see(u64::from_le_bytes(*last)),
        (None, Some(first), Some(last)) => {
            see(u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)));
        }
        // The others are filled up with what is nothing special.
        _ => see(rest.iter().fold(ONES * u64::from(b'x'), |word, &byte| word << 8 | u64::from(byte))),
    }
}

/// What one look at a string says.
pub struct Scanned {
    /// 64 bits. Not proof against who looks for collisions: whoever uses it compares the keys too.
    pub hash: u64,
    /// Whether all bytes are below 0x80.
    pub is_ascii: bool,
    /// Whether a byte is 0.
    pub has_nul: bool,
}

/// Look at a string. What is not asked for is not computed.
#[inline(always)]
pub fn scan(text: &[u8]) -> Scanned {
    let (mut state, mut high, mut zero) = (SEED ^ text.len() as u64, 0, 0);
    words(text, |word| {
        state = mix(state, word);
        high |= word;
        zero |= word.wrapping_sub(ONES) & !word;
    });
    Scanned { hash: state, is_ascii: high & HIGH == 0, has_nul: zero & HIGH != 0 }
}

/// Whether a string is ASCII that stands in JSON as it is.
#[inline(always)]
pub fn is_plain(text: &[u8]) -> bool {
    let mut special = 0;
    words(text, |word| special |= escaped(word) | word);
    special & HIGH == 0
}

/// Whether JSON writes something else for one of eight bytes: the highest bit of one is not 0.
#[inline(always)]
pub fn escaped(word: u64) -> u64 {
    let equal = |byte: u8| {
        let other = word ^ (ONES * u64::from(byte));
        other.wrapping_sub(ONES) & !other
    };
    let below = word.wrapping_sub(ONES * 0x20) & !word;
    below | equal(b'"') | equal(b'\\')
}

/// The hash of a key.
#[inline]
pub fn hash(key: &[u8]) -> u64 {
    scan(key).hash
}

/// Keys with what is known about each.
pub struct Keys<T> {
    slots: Vec<u32>,
    entries: Vec<(u64, Box<str>, T)>,
    longest: usize,
}

const EMPTY: u32 = u32::MAX;

impl<T> Keys<T> {
    /// A table of these keys, each of which comes once.
    pub fn new(entries: Vec<(String, T)>) -> Self {
        debug_assert_eq!(entries.iter().map(|(key, _)| key).collect::<HashSet<_>>().len(), entries.len());
        let size = (entries.len() * 4).next_power_of_two().max(8);
        let longest = entries.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        let mut table = Keys { slots: vec![EMPTY; size], entries: Vec::with_capacity(entries.len()), longest };
        for (number, (key, value)) in entries.into_iter().enumerate() {
            let hashed = hash(key.as_bytes());
            let mut at = hashed as usize & (size - 1);
            while table.slots.get(at).is_some_and(|&slot| slot != EMPTY) {
                at = (at + 1) & (size - 1);
            }
            if let Some(slot) = table.slots.get_mut(at) {
                *slot = number as u32;
            }
            table.entries.push((hashed, key.into_boxed_str(), value));
        }
        table
    }

    /// What is known about a key of that hash.
    #[inline]
    pub fn get(&self, hashed: u64, key: &[u8]) -> Option<&T> {
        let mask = self.slots.len() - 1;
        let mut at = hashed as usize & mask;
        loop {
            let (known_hash, known, value) = self.entries.get(*self.slots.get(at)? as usize)?;
            if *known_hash == hashed && *known.as_bytes() == *key {
                return Some(value);
            }
            at = (at + 1) & mask;
        }
    }
}

impl Keys<()> {
    /// A set.
    pub fn set(keys: Vec<String>) -> Self {
        let keys: HashSet<String> = keys.into_iter().collect();
        Keys::new(keys.into_iter().map(|key| (key, ())).collect())
    }

    /// Whether it is in the set.
    #[inline]
    pub fn has(&self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }
}

impl<T> Keys<T> {
    /// What is known about a key whose hash nobody has yet.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<&T> {
        if key.len() > self.longest { None } else { self.get(hash(key), key) }
    }
}

//! The keys of records' attributes, as they came one after the other: the records of a request are of a few kinds, each with the
//! same keys in the same order, and what was found out about those need not be found out again.
//!
//! They lie as a tree: below each key are those that came after it. Every key of a record is compared to the byte with those that
//! may come there, so where a record ends in the tree says what all its keys are, and nothing is guessed.

use crate::json;

/// How many keys are remembered at most, each with all that came before it; what is full is forgotten as a whole.
pub const KEYS_MAX: usize = 4096;
/// How many different keys may come after the same ones.
pub const BRANCHES_MAX: usize = 32;
/// How many sequences of keys are numbered.
pub const SHAPES_MAX: u32 = 128;

/// A key that is fine as it comes: neither empty, nor repaired, nor doubled.
struct Key<'a> {
    /// The KeyValue up to its value: tag, length and bytes of the key, tag of the value.
    head: &'a [u8],
    bytes: &'a [u8],
    /// Of those.
    hash: u64,
    /// As a member of a JSON object begins, from its comma to its colon: where that is in `Memory::members`.
    member: (usize, usize),
}

impl<'a> Key<'a> {
    /// The key of the KeyValue in `data`, None where it is not written as nearly all are. `members` gets it as JSON.
    fn read(data: &'a [u8], bytes: &'a [u8], hash: u64, members: &mut Vec<u8>) -> Option<Self> {
        let size = u8::try_from(bytes.len()).ok().filter(|size| *size < 0x80)?;
        let head = data.get(..bytes.len() + 3)?;
        let rest = head.strip_prefix(&[0x0a, size])?.strip_prefix(bytes)?;
        (rest == [0x12]).then(|| {
            let start = members.len();
            members.push(b',');
            json::string(members, bytes);
            members.push(b':');
            Key { head, bytes, hash, member: (start, members.len()) }
        })
    }
}

/// All keys of a record in their order: its number since everything was forgotten the last time, and how often that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    number: u32,
    age: u32,
}

/// What is known of the keys up to one of them, if they are all of a record.
#[derive(Clone, Copy)]
enum Ending {
    New,
    /// Two are alike.
    Repeats,
    Shape(u32),
}

struct Place<'a> {
    key: Key<'a>,
    /// The keys after it: the first of them, and the next one that comes after what it comes after.
    below: u32,
    beside: u32,
    ending: Ending,
}

/// Where no key is.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// What is remembered of a request.
pub struct Memory<'a> {
    /// The first one is before all keys.
    places: Vec<Place<'a>>,
    members: Vec<u8>,
    /// That of the last key of the record that is being read, NOWHERE after one that is not remembered.
    at: u32,
    shapes: u32,
    age: u32,
    is_full: bool,
}

impl Default for Memory<'_> {
    /// Nothing, and so it stays until `begin`.
    fn default() -> Self {
        Memory { places: Vec::new(), members: Vec::new(), at: NOWHERE, shapes: 0, age: 0, is_full: false }
    }
}

impl<'a> Memory<'a> {
    /// The next record begins.
    #[inline]
    pub fn begin(&mut self) {
        if self.is_full || self.places.is_empty() {
            self.forget();
        }
        self.at = 0;
    }

    #[cold]
    fn forget(&mut self) {
        let key = Key { head: b"", bytes: b"", hash: 0, member: (0, 0) };
        self.places.clear();
        self.members.clear();
        self.places.push(Place { key, below: NOWHERE, beside: NOWHERE, ending: Ending::New });
        (self.shapes, self.is_full) = (0, false);
        self.age = self.age.wrapping_add(1);
    }

    fn branches(&self) -> impl Iterator<Item = (u32, &Place<'a>)> {
        let mut at = self.places.get(self.at as usize).map_or(NOWHERE, |place| place.below);
        std::iter::from_fn(move || {
            let place = self.places.get(at as usize)?;
            Some((std::mem::replace(&mut at, place.beside), place))
        })
    }

    /// If the KeyValue in `data` begins with a key that came here before: where that is, and the rest.
    #[inline]
    pub fn recall(&self, data: &'a [u8]) -> Option<(u32, &'a [u8])> {
        self.branches().find_map(|(at, place)| Some((at, data.strip_prefix(place.key.head)?)))
    }

    /// That key comes here: its bytes and their hash.
    #[inline]
    pub fn step(&mut self, at: u32) -> (&'a [u8], u64) {
        self.at = at;
        self.places.get(at as usize).map_or((b"", 0), |place| (place.key.bytes, place.key.hash))
    }

    /// How a member of a JSON object begins whose key is there, from its comma to its colon.
    #[inline]
    pub fn member(&self, at: u32) -> Option<&[u8]> {
        let (start, end) = self.places.get(at as usize)?.key.member;
        self.members.get(start..end)
    }

    /// The key of the KeyValue in `data` comes here. It may be one that came before, where the fast way was not taken.
    #[cold]
    pub fn remember(&mut self, data: &'a [u8], bytes: &'a [u8], hash: u64, is_fine: bool) {
        if self.at == NOWHERE {
            return;
        }
        let (mut last, mut count) = (None, 0);
        let known = self.branches().find(|(at, place)| {
            (last, count) = (Some(*at), count + 1);
            place.key.bytes == bytes
        });
        if let Some((at, _)) = known {
            self.at = at;
            return;
        }
        let here = std::mem::replace(&mut self.at, NOWHERE);
        if !is_fine {
            return;
        }
        let Some(key) = Key::read(data, bytes, hash, &mut self.members) else { return };
        self.is_full |= self.places.len() >= KEYS_MAX || count >= BRANCHES_MAX;
        if self.is_full {
            return;
        }
        self.at = self.places.len() as u32;
        self.places.push(Place { key, below: NOWHERE, beside: NOWHERE, ending: Ending::New });
        match last {
            Some(last) => self.places.get_mut(last as usize).into_iter().for_each(|last| last.beside = self.at),
            None => self.places.get_mut(here as usize).into_iter().for_each(|here| here.below = self.at),
        }
    }

    /// How many keys and shapes are remembered.
    pub fn size(&self) -> (usize, usize) {
        (self.places.len(), self.shapes as usize)
    }

    /// The shape of the record that was read, if it is known.
    #[inline]
    pub fn shape(&self) -> Option<Shape> {
        match self.places.get(self.at as usize)?.ending {
            Ending::Shape(number) => Some(Shape { number, age: self.age }),
            _ => None,
        }
    }

    /// The shape of the record that was read and had none yet; `is_distinct`: no two of its keys are alike.
    pub fn name(&mut self, is_distinct: bool) -> Option<Shape> {
        let place = self.places.get_mut(self.at as usize)?;
        if !is_distinct {
            place.ending = Ending::Repeats;
        } else if self.shapes >= SHAPES_MAX {
            self.is_full = true;
        } else if let Ending::New = place.ending {
            place.ending = Ending::Shape(self.shapes);
            self.shapes += 1;
        }
        self.shape()
    }
}

/// What is made of the keys of records, by their shape.
pub struct Shapes<T> {
    made: Vec<Option<T>>,
    age: u32,
    /// Of the last record without a shape.
    other: Option<T>,
}

impl<T> Default for Shapes<T> {
    fn default() -> Self {
        Shapes { made: Vec::new(), age: 0, other: None }
    }
}

impl<T> Shapes<T> {
    /// That of a record, which is made if it is new or the record has no shape.
    #[inline]
    pub fn get(&mut self, shape: Option<Shape>, make: impl FnOnce() -> T) -> &mut T {
        let Some(Shape { number, age }) = shape else { return self.other.insert(make()) };
        if self.age != age {
            self.made.clear();
            self.age = age;
        }
        let number = number as usize;
        if number >= self.made.len() {
            self.made.resize_with(number + 1, || None);
        }
        match self.made.get_mut(number) {
            Some(made) => made.get_or_insert_with(make),
            None => self.other.insert(make()),
        }
    }
}

//! Attributes made documents: repaired, each key once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::counts::{Counts, DUPLICATE_KEY, NUL_REPLACED, STRING_INDEX_IGNORED};
use crate::key::{hash, scan};
use crate::memory::{NOWHERE, Shape};
use crate::tree::{END, List, Node, Tree, Value};

/// How many keys are compared with each other before they are put into a map.
const COMPARED_MAX: u32 = 48;

impl<'a> Tree<'a> {
    /// Make an attribute list a document: repaired, each key once, where it came first, with its last value.
    pub fn read(&mut self, list: &mut List, counts: &mut Counts) {
        self.read_unread(list, counts);
        self.unite_all(list, counts);
    }

    /// The same for the attributes of a record itself. Its keys, if they are remembered.
    pub fn read_attributes(&mut self, list: &mut List, counts: &mut Counts) -> Option<Shape> {
        self.read_unread(list, counts);
        if let Some(shape) = self.memory.shape() {
            return Some(shape);
        }
        let len = list.len;
        self.unite_all(list, counts);
        self.memory.name(list.len == len)
    }

    fn unite_all(&mut self, list: &mut List, counts: &mut Counts) {
        if list.len > COMPARED_MAX {
            self.unite_by_map(list, counts);
        } else if list.len > 1 {
            self.unite(list, counts);
        }
    }

    fn read_unread(&mut self, list: &mut List, counts: &mut Counts) {
        if !std::mem::take(&mut list.unread) {
            return;
        }
        let mut at = list.head;
        while let Some(&(mut node)) = self.nodes.get(at as usize) {
            self.repair_key(&mut node, counts);
            self.read_value(&mut node.value, counts);
            if let Some(place) = self.nodes.get_mut(at as usize) {
                *place = node;
            }
            at = node.next;
        }
    }

    /// Repair one value, and what it holds.
    pub fn read_value(&mut self, value: &mut Value<'a>, counts: &mut Counts) {
        match value {
            Value::Text(text) => self.repair(text, counts),
            Value::Index => {
                counts.add(STRING_INDEX_IGNORED, 1);
                *value = Value::Null;
            }
            Value::Array(list) => {
                let mut at = list.head;
                while let Some(&Node { mut value, next, .. }) = self.nodes.get(at as usize) {
                    self.read_value(&mut value, counts);
                    if let Some(place) = self.nodes.get_mut(at as usize) {
                        place.value = value;
                    }
                    at = next;
                }
            }
            Value::Kvlist(list) => self.read(list, counts),
            _ => {}
        }
    }

    fn repair_key(&self, node: &mut Node<'a>, counts: &mut Counts) {
        match node.key.first() {
            None if node.has_index => counts.add(STRING_INDEX_IGNORED, 1),
            Some(b'$') => node.key = self.repaired.alloc_slice_copy(&[b"$", node.key].concat()),
            _ => {}
        }
        self.repair(&mut node.key, counts);
        node.place = NOWHERE;
        node.hash = hash(node.key);
    }

    /// A string as PostgreSQL can hold it.
    pub fn repair(&self, text: &mut &'a [u8], counts: &mut Counts) {
        if let Cow::Owned(repaired) = repaired(text, counts) {
            *text = self.repaired.alloc_slice_copy(&repaired);
        }
    }

    /// Of equal keys keep the last value at the first place.
    fn unite(&mut self, list: &mut List, counts: &mut Counts) {
        let mut hashes = [0u64; COMPARED_MAX as usize];
        let mut places = [END; COMPARED_MAX as usize];
        let (mut kept, mut bits) = (0usize, 0u64);
        let (mut at, mut before) = (list.head, END);
        while let Some(node) = self.nodes.get(at as usize) {
            let (next, hash) = (node.next, node.hash);
            // Most keys are told from all before them by six bits.
            let bit = 1u64 << (hash >> 58);
            let maybe = bits & bit != 0 && hashes.iter().take(kept).any(|&other| other == hash);
            bits |= bit;
            // Different keys of one hash are so rare that what follows need not be fast.
            let seen = maybe.then_some(()).and_then(|()| {
                let same = |place: &&u32| self.nodes.get(**place as usize).is_some_and(|other| other.key == node.key);
                places.iter().take(kept).find(same).copied()
            });
            if let Some(first) = seen {
                self.unite_two(list, first, at, before, counts);
            } else {
                if let (Some(slot), Some(place)) = (hashes.get_mut(kept), places.get_mut(kept)) {
                    (*slot, *place) = (hash, at);
                    kept += 1;
                }
                before = at;
            }
            at = next;
        }
    }

    fn unite_by_map(&mut self, list: &mut List, counts: &mut Counts) {
        let mut places: HashMap<&[u8], u32> = HashMap::with_capacity(list.len as usize);
        let (mut at, mut before) = (list.head, END);
        while let Some(node) = self.nodes.get(at as usize) {
            let next = node.next;
            match places.entry(node.key) {
                Entry::Occupied(first) => {
                    let first = *first.get();
                    self.unite_two(list, first, at, before, counts);
                }
                Entry::Vacant(place) => {
                    place.insert(at);
                    before = at;
                }
            }
            at = next;
        }
    }

    /// Move the value of node `at`, which comes after node `before`, to node `first`.
    fn unite_two(&mut self, list: &mut List, first: u32, at: u32, before: u32, counts: &mut Counts) {
        counts.add(DUPLICATE_KEY, 1);
        let Some(node) = self.nodes.get_mut(at as usize) else { return };
        let (value, is_plain, next) = (std::mem::replace(&mut node.value, Value::Null), node.is_plain, node.next);
        if let Some(node) = self.nodes.get_mut(first as usize) {
            (node.value, node.is_plain) = (value, is_plain);
        }
        if let Some(node) = self.nodes.get_mut(before as usize) {
            node.next = next;
        }
        if list.tail == at {
            list.tail = before;
        }
        list.len -= 1;
    }
}

/// Whether a byte is 0.
#[inline]
pub fn has_nul(data: &[u8]) -> bool {
    if data.len() > 64 { memchr::memchr(0, data).is_some() } else { scan(data).has_nul }
}

/// A string as PostgreSQL can hold it.
#[inline]
pub fn repaired<'t>(text: &'t [u8], counts: &mut Counts) -> Cow<'t, [u8]> {
    if !has_nul(text) {
        return Cow::Borrowed(text);
    }
    counts.add(NUL_REPLACED, 1);
    let mut repaired = Vec::with_capacity(text.len() + 8);
    for (index, part) in text.split(|&byte| byte == 0).enumerate() {
        if index > 0 {
            repaired.extend_from_slice("\u{fffd}".as_bytes());
        }
        repaired.extend_from_slice(part);
    }
    Cow::Owned(repaired)
}

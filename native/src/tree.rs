//! The values of one record: parsed once, merged as protobuf merges, read as documents.
//!
//! Nodes of all lists lie in one vector that is used again for the next record; a list is a chain through it, so that what
//! comes later can be added to it. Strings and bytes stay where they are in the payload unless they are repaired.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bumpalo::Bump;

use crate::counts::{Counts, DUPLICATE_KEY, NUL_REPLACED, STRING_INDEX_IGNORED};
use crate::cursor::{Broken, Cursor, deeper, is_utf8};
use crate::key::{hash, scan};
use crate::memory::Memory;

type Result<T> = std::result::Result<T, Broken>;

const END: u32 = u32::MAX;

/// How many keys are compared with each other before they are put into a map.
const COMPARED_MAX: u32 = 48;

/// A chain of nodes.
#[derive(Debug, Clone, Copy)]
pub struct List {
    head: u32,
    tail: u32,
    /// How many nodes.
    pub len: u32,
    /// Whether something in it must be looked at before it is a document.
    unread: bool,
}

impl List {
    /// Without nodes.
    pub const EMPTY: List = List { head: END, tail: END, len: 0, unread: false };
}

impl Default for List {
    fn default() -> Self {
        List::EMPTY
    }
}

/// A value of an attribute, or none.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// An AnyValue without value.
    Null,
    /// An index into a string table, which has no meaning here.
    Index,
    /// A string.
    Text(&'a [u8]),
    /// A bool.
    Bool(bool),
    /// An int64.
    Int(i64),
    /// A double.
    Double(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// An array.
    Array(List),
    /// A kvlist; after `read` a document.
    Kvlist(List),
}

/// An attribute, or an element of an array.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// After `read` as it stands in a document.
    pub key: &'a [u8],
    /// What it holds.
    pub value: Value<'a>,
    /// That of the key.
    pub hash: u64,
    /// Whether the key is known to stand in JSON as it is.
    pub is_plain: bool,
    has_index: bool,
    next: u32,
}

/// All nodes of one record.
pub struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    repaired: &'a Bump,
    memory: Memory<'a>,
}

impl<'a> Tree<'a> {
    /// Without nodes. Strings that are repaired go to `repaired`.
    pub fn new(repaired: &'a Bump) -> Self {
        Tree { nodes: Vec::new(), repaired, memory: Memory::default() }
    }

    /// Where strings go that are repaired.
    pub fn repaired(&self) -> &'a Bump {
        self.repaired
    }

    /// Forget everything, and keep the memory.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.memory.begin();
    }

    #[inline]
    fn push(&mut self, list: &mut List, node: Node<'a>) -> Result<()> {
        let index = u32::try_from(self.nodes.len()).map_err(|_| Broken)?;
        self.nodes.push(node);
        match self.nodes.get_mut(list.tail as usize) {
            Some(tail) if list.len > 0 => tail.next = index,
            _ => list.head = index,
        }
        list.tail = index;
        list.len += 1;
        Ok(())
    }

    /// Add the KeyValue in `data` to a list.
    #[inline]
    pub fn key_value(&mut self, data: &'a [u8], depth: u32, list: &mut List) -> Result<()> {
        self.add::<false>(data, depth, list)
    }

    /// The same for the attributes of a record itself, whose keys are remembered.
    #[inline]
    pub fn attribute(&mut self, data: &'a [u8], depth: u32, list: &mut List) -> Result<()> {
        if let Some((key, rest)) = self.memory.recall(list.len, data) {
            let mut cursor = Cursor::new(rest);
            let held = cursor.delimited()?;
            if cursor.is_empty() {
                let (value, unread) = self.value(held, deeper(depth)?)?;
                list.unread |= unread;
                let (hash, is_plain) = (key.hash, key.is_plain);
                return self.push(list, Node { key: key.bytes, value, hash, is_plain, has_index: false, next: END });
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
            self.memory.remember(list.len, data, key, scanned.hash, is_fine);
        }
        list.unread |= unread || !is_fine;
        let (value, hash) = (value.unwrap_or(Value::Null), scanned.hash);
        self.push(list, Node { key, value, hash, is_plain: false, has_index, next: END })
    }

    /// The AnyValue in `data`, and whether it must be looked at before it is in a document. Most hold one small field.
    #[inline]
    fn value(&mut self, data: &'a [u8], depth: u32) -> Result<(Value<'a>, bool)> {
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

    /// The text that a value is, or that is alone in an array, and whether it is in one.
    #[inline]
    pub fn only_text(&self, value: &Value<'a>) -> Option<(&'a [u8], bool)> {
        match *value {
            Value::Text(text) => Some((text, false)),
            Value::Array(list) if list.len == 1 => match self.node(list.head)?.value {
                Value::Text(text) => Some((text, true)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The node behind an index of `indexes`.
    pub fn node(&self, index: u32) -> Option<&Node<'a>> {
        self.nodes.get(index as usize)
    }

    /// The indexes of the nodes of a list.
    pub fn indexes(&self, list: List) -> impl Iterator<Item = u32> + '_ {
        let mut at = list.head;
        std::iter::from_fn(move || {
            let node = self.nodes.get(at as usize)?;
            Some(std::mem::replace(&mut at, node.next))
        })
    }

    /// The nodes of a list.
    pub fn items(&self, list: List) -> impl Iterator<Item = &Node<'a>> {
        let mut at = list.head;
        std::iter::from_fn(move || {
            let node = self.nodes.get(at as usize)?;
            at = node.next;
            Some(node)
        })
    }

    /// Leave out of a list what does not stay; `nodes` are all of it in order.
    pub fn keep(&mut self, list: &mut List, nodes: &[(u32, bool)]) {
        let mut kept = List { unread: list.unread, ..List::EMPTY };
        for &(index, _) in nodes.iter().filter(|(_, stays)| *stays) {
            if let Some(node) = self.nodes.get_mut(index as usize) {
                node.next = END;
            }
            match self.nodes.get_mut(kept.tail as usize) {
                Some(tail) => tail.next = index,
                None => kept.head = index,
            }
            kept.tail = index;
            kept.len += 1;
        }
        *list = kept;
    }

    /// Make an attribute list a document: repaired, each key once, where it came first, with its last value.
    pub fn read(&mut self, list: &mut List, counts: &mut Counts) {
        self.read_unread(list, counts);
        self.unite_all(list, counts);
    }

    /// The same for the attributes of a record itself. Whether its keys are those of the last record that was read, in the
    /// same order.
    pub fn read_attributes(&mut self, list: &mut List, counts: &mut Counts) -> bool {
        let len = list.len;
        self.read_unread(list, counts);
        if self.memory.is_same(len) {
            return true;
        }
        self.unite_all(list, counts);
        self.memory.read(len, list.len);
        false
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
        node.is_plain = false;
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
        let (value, next) = (std::mem::replace(&mut node.value, Value::Null), node.next);
        if let Some(node) = self.nodes.get_mut(first as usize) {
            node.value = value;
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

#[inline]
fn has_nul(data: &[u8]) -> bool {
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

//! The values of one record: parsed once (`attribute.rs`), made documents in their place (`repair.rs`).
//!
//! Nodes of all lists lie in one vector that is used again for the next record; a list is a chain through it, so that what
//! comes later can be added to it. Strings and bytes stay where they are in the payload unless they are repaired.

use bumpalo::Bump;

use crate::cursor::Broken;
use crate::memory::Memory;

/// Of a chain.
pub(crate) const END: u32 = u32::MAX;

/// A chain of nodes.
#[derive(Debug, Clone, Copy)]
pub struct List {
    pub(crate) head: u32,
    pub(crate) tail: u32,
    /// How many nodes.
    pub len: u32,
    /// Whether something in it must be looked at before it is a document.
    pub(crate) unread: bool,
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
    /// Where the key is remembered as it stands in JSON, if it is.
    pub(crate) place: u32,
    /// Whether the value is known to be a string that stands in JSON as it is.
    pub(crate) is_plain: bool,
    pub(crate) has_index: bool,
    pub(crate) next: u32,
}

/// All nodes of one record.
pub struct Tree<'a> {
    pub(crate) nodes: Vec<Node<'a>>,
    pub(crate) repaired: &'a Bump,
    pub(crate) memory: Memory<'a>,
}

impl<'a> Tree<'a> {
    /// Without nodes. Strings that are repaired go to `repaired`.
    pub fn new(repaired: &'a Bump) -> Self {
        Tree { nodes: Vec::new(), repaired, memory: Memory::default() }
    }

    /// Forget everything, and keep the memory.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.memory.begin();
    }

    /// Add a node to a list.
    #[inline]
    pub(crate) fn push(&mut self, list: &mut List, node: Node<'a>) -> Result<(), Broken> {
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
}

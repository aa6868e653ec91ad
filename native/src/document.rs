//! Attribute documents as JSON text. The format is said in the reference's `document.py`; these are the same bytes.

use crate::json::{bytes, double, integer, quoted, string};
use crate::tree::{List, Node, Tree, Value};

/// The JSON text of any value that was read; `ordered`: keys of objects in order of code points.
pub fn value(out: &mut Vec<u8>, tree: &Tree<'_>, held: &Value<'_>, ordered: bool) {
    match held {
        Value::Text(text) => string(out, text),
        Value::Int(number) => integer(out, *number),
        Value::Double(number) => double(out, *number),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Null | Value::Index => out.extend_from_slice(b"null"),
        Value::Bytes(data) => bytes(out, data),
        Value::Array(list) => {
            out.push(b'[');
            for (index, node) in tree.items(*list).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                element(out, tree, node, ordered);
            }
            out.push(b']');
        }
        Value::Kvlist(list) => object(out, tree, *list, ordered),
    }
}

/// That of the value of a node.
#[inline]
fn element(out: &mut Vec<u8>, tree: &Tree<'_>, node: &Node<'_>, ordered: bool) {
    match node.value {
        Value::Text(text) if node.is_plain => quoted(out, text),
        _ => value(out, tree, &node.value, ordered),
    }
}

/// The JSON text of a document that was read.
pub fn object(out: &mut Vec<u8>, tree: &Tree<'_>, list: List, ordered: bool) {
    if ordered && list.len > 1 {
        let mut nodes: Vec<&Node<'_>> = tree.items(list).collect();
        nodes.sort_unstable_by(|one, other| one.key.cmp(other.key));
        members(out, tree, nodes.into_iter(), ordered);
    } else {
        members(out, tree, tree.items(list), ordered);
    }
}

/// The JSON text of an object of these members.
pub fn members<'n, 'a: 'n>(out: &mut Vec<u8>, tree: &Tree<'a>, nodes: impl Iterator<Item = &'n Node<'a>>, ordered: bool) {
    out.push(b'{');
    for (index, node) in nodes.enumerate() {
        match tree.memory.member(node.place) {
            Some(member) => out.extend_from_slice(member.get(usize::from(index == 0)..).unwrap_or_default()),
            None => {
                if index > 0 {
                    out.push(b',');
                }
                string(out, node.key);
                out.push(b':');
            }
        }
        element(out, tree, node, ordered);
    }
    out.push(b'}');
}

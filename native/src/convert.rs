//! Attribute values of any dialect as the field of a typed column.
//!
//! A conversion writes a field and says whether the column alone gives the attribute back (same type, same value), or gives
//! None and writes nothing where nothing usable was reported. The rules are said in the reference's `convert.py`.

use crate::conversion::Conversion;
use crate::field;
use crate::key::Keys;
use crate::reported::{Reported, trimmed};
use crate::spec::Spec;
use crate::tree::{Tree, Value};
use std::borrow::Cow;

const JSON_LIST_TEXT_MAX: usize = 65_536;

/// The maps and sets of the spec's `llm` section.
pub struct Conversions {
    absent: Keys<()>,
    providers: Keys<String>,
    dotted: Keys<()>,
    frameworks: Keys<()>,
    operations: Keys<String>,
    finish_reasons: Keys<String>,
}

impl Conversions {
    /// Those of a spec.
    pub fn new(spec: &Spec) -> Self {
        let set = |name: &str| Keys::set(spec.texts(&["llm", name]));
        let map = |name: &str| Keys::new(spec.text_map(&["llm", name]).into_iter().collect());
        Conversions {
            absent: set("absent_text"),
            providers: map("provider_aliases"),
            dotted: set("dotted_providers"),
            frameworks: set("frameworks"),
            operations: map("operation_aliases"),
            finish_reasons: map("finish_reason_aliases"),
        }
    }

    /// Write the field that `value` becomes; whether it is exact and whole.
    pub fn write(
        &self,
        conversion: Conversion,
        out: &mut Vec<u8>,
        tree: &Tree<'_>,
        value: &Value<'_>,
        max: usize,
    ) -> Option<bool> {
        match conversion {
            Conversion::Text => self.text(out, value, max),
            Conversion::Int => integer(out, value),
            Conversion::Float => floating(out, value),
            Conversion::Bool => boolean(out, value),
            Conversion::SecondsToMs => seconds_to_ms(out, value),
            Conversion::Provider => self.folded(out, value, max, |name| self.provider(name)),
            Conversion::Operation => self.folded(out, value, max, |name| {
                Some(self.operations.find(name).map_or(Cow::Borrowed(name), |known| Cow::Borrowed(known.as_bytes())))
            }),
            Conversion::TextList => self.list(out, tree, value, false),
            Conversion::FinishReasons => self.list(out, tree, value, true),
        }
    }

    fn is_absent(&self, trimmed: &[u8]) -> bool {
        self.absent.has(trimmed)
    }

    fn text(&self, out: &mut Vec<u8>, value: &Value<'_>, max: usize) -> Option<bool> {
        match value {
            Value::Text(text) if !self.is_absent(trimmed(text)) => {
                field::text(out, text, max);
                Some(text.len() <= max)
            }
            Value::Int(number) => {
                field::text(out, itoa::Buffer::new().format(*number).as_bytes(), max);
                Some(false)
            }
            _ => None,
        }
    }

    fn folded<'v>(
        &'v self,
        out: &mut Vec<u8>,
        value: &'v Value<'_>,
        max: usize,
        fold: impl FnOnce(&'v [u8]) -> Option<Cow<'v, [u8]>>,
    ) -> Option<bool> {
        let Value::Text(text) = value else { return None };
        let name = trimmed(text);
        if self.is_absent(name) {
            return None;
        }
        let name = fold(name)?;
        field::text(out, &name, max);
        Some(*name == **text && name.len() <= max)
    }

    fn provider<'v>(&'v self, text: &'v [u8]) -> Option<Cow<'v, [u8]>> {
        let name =
            if text.iter().any(u8::is_ascii_uppercase) { Cow::Owned(text.to_ascii_lowercase()) } else { Cow::Borrowed(text) };
        if let Some(known) = self.providers.find(&name) {
            return Some(Cow::Borrowed(known.as_bytes()));
        }
        if let Some(stem) = stems(&name).into_iter().flatten().find(|stem| self.dotted.has(stem)) {
            return Some(
                self.providers.find(stem).map_or_else(|| Cow::Owned(stem.to_owned()), |known| Cow::Borrowed(known.as_bytes())),
            );
        }
        if self.frameworks.has(&name) { None } else { Some(name) }
    }

    /// A text[] column's value: an array of strings, a JSON array of strings in a string, or one plain string.
    fn list(&self, out: &mut Vec<u8>, tree: &Tree<'_>, value: &Value<'_>, folded: bool) -> Option<bool> {
        match value {
            Value::Array(list) => {
                let texts =
                    || tree.items(*list).filter_map(|node| if let Value::Text(text) = node.value { Some(text) } else { None });
                let are_texts = texts().count() == list.len as usize;
                are_texts.then(|| self.texts(out, list.len as usize, texts, folded)).flatten()
            }
            Value::Text(text) => {
                let text = trimmed(text);
                let made = match json_list(text) {
                    Some(items) => self.texts(out, items.len(), || items.iter().map(String::as_bytes), folded),
                    None => self.texts(out, 1, || std::iter::once(text), folded),
                };
                made.map(|_| false)
            }
            _ => None,
        }
    }

    fn texts<'i, I: Iterator<Item = &'i [u8]>>(
        &'i self,
        out: &mut Vec<u8>,
        count: usize,
        items: impl Fn() -> I,
        folded: bool,
    ) -> Option<bool> {
        if items().all(|item| self.is_absent(trimmed(item))) {
            return None;
        }
        let mut exact = true;
        let fold = |item| {
            let made = if folded { self.finish_reasons.find(trimmed(item)).map_or(item, String::as_bytes) } else { item };
            exact &= made == item;
            made
        };
        field::texts(out, count, items().map(fold));
        Some(exact)
    }
}

/// What stands before the second point and before the first, where there are such.
fn stems(text: &[u8]) -> [Option<&[u8]>; 2] {
    let mut points = text.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(place, _)| place);
    let (first, second) = (points.next(), points.next());
    [second, first].map(|point| text.get(..point?))
}

fn integer(out: &mut Vec<u8>, value: &Value<'_>) -> Option<bool> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    match Reported::of(value)? {
        Reported::Int(found) => {
            field::int8(out, found);
            Some(matches!(value, Value::Int(_)))
        }
        Reported::Double(found) if found.trunc() == found && (-BEYOND..BEYOND).contains(&found) => {
            field::int8(out, found as i64);
            Some(false)
        }
        _ => None,
    }
}

fn floating(out: &mut Vec<u8>, value: &Value<'_>) -> Option<bool> {
    field::float8(out, Reported::of(value)?.as_double());
    Some(matches!(value, Value::Double(_)))
}

fn seconds_to_ms(out: &mut Vec<u8>, value: &Value<'_>) -> Option<bool> {
    let milliseconds = Reported::of(value)?.as_double() * 1000.0;
    if !milliseconds.is_finite() {
        return None;
    }
    field::float8(out, milliseconds);
    Some(false)
}

fn boolean(out: &mut Vec<u8>, value: &Value<'_>) -> Option<bool> {
    let (found, exact) = match value {
        Value::Bool(found) => (*found, true),
        Value::Text(text) if trimmed(text).eq_ignore_ascii_case(b"true") => (true, false),
        Value::Text(text) if trimmed(text).eq_ignore_ascii_case(b"false") => (false, false),
        _ => return None,
    };
    field::boolean(out, found);
    Some(exact)
}

/// The strings of a JSON array of nothing else; None when it is anything else. NULs are repaired.
fn json_list(text: &[u8]) -> Option<Vec<String>> {
    if text.first() != Some(&b'[') {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    if text.len() > JSON_LIST_TEXT_MAX && text.chars().count() > JSON_LIST_TEXT_MAX {
        return None;
    }
    // serde_json refuses what Python does here: control characters, lone surrogates, anything after the array.
    let items: Vec<String> = serde_json::from_str(text).ok()?;
    Some(items.into_iter().map(|item| if item.contains('\0') { item.replace('\0', "\u{fffd}") } else { item }).collect())
}

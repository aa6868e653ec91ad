//! What was said leaves its record: the content of a record is found here and taken out. The rules are said in the reference's
//! `content.py`.

use std::collections::HashMap;

use crate::key::Keys;
use crate::promote::Promotion;
use crate::spec::{Faults, Spec, Table};
use crate::tree::{List, Tree};

/// What a content key is: its kind, and its own name or the pattern of its family.
#[derive(Debug, Clone)]
pub struct Place {
    /// As the rows name it.
    pub kind: String,
    /// As the rows name it.
    pub attribute: String,
    /// Whether all members of it are one item.
    pub family: bool,
    /// Whether it is content only where the mark is.
    pub marked: bool,
}

struct Family {
    prefix: String,
    indexed: bool,
    place: usize,
}

/// A message event: the keys that are content in it beside those of every record, and what its body is on a log record.
pub struct Event {
    keys: Vec<(String, usize)>,
    /// The place of its body.
    pub body: usize,
}

/// What is known about a key.
#[derive(Clone, Copy)]
struct Known {
    place: Option<usize>,
    promoted: Option<usize>,
    marks: bool,
    carrier: bool,
}

/// One item: its place, and the nodes that it is made of.
pub struct Taken {
    /// Which place.
    pub place: usize,
    /// One, or the members of a family.
    pub nodes: Vec<u32>,
}

/// Carriers, as the rows name them.
#[allow(missing_docs)]
pub struct Carriers {
    pub span_attribute: String,
    pub span_event: String,
    pub log_attribute: String,
    pub log_body: String,
}

/// Finds the content of the records of one table, and its promoted attributes on the way.
pub struct Finder {
    keys: Keys<Known>,
    families: Vec<Family>,
    first_bytes: [bool; 256],
    /// All of them; rows of content name them by number.
    pub places: Vec<Place>,
    /// By name.
    pub events: Keys<Event>,
    /// Attributes that name the event of a log record.
    pub name_keys: Vec<String>,
    /// Where content may stand.
    pub carriers: Carriers,
}

/// What is known of the attributes of a record by their keys alone.
#[derive(Default)]
pub struct Look {
    /// Numbers of promoted keys, and where they are among the attributes.
    pub promoted: Vec<(usize, usize)>,
    /// Where the mark of usage carriers is.
    pub carrier: Option<usize>,
    /// Of each that may be content, and where it is.
    places: Vec<(usize, usize)>,
    marked: bool,
}

impl Look {
    /// Whether nothing is content.
    pub fn finds_nothing(&self) -> bool {
        self.places.is_empty()
    }
}

/// The attributes of one record.
#[derive(Default)]
pub struct Seen {
    /// Nodes in order, and whether they are still in the document.
    pub nodes: Vec<(u32, bool)>,
    /// What was said, in order.
    pub taken: Vec<Taken>,
}

impl Finder {
    /// Of a table of records; `promotion` are its promoted attributes.
    pub fn new(spec: &Spec, records: &Table, promotion: Option<&Promotion>) -> Result<Self, Faults> {
        let mut finder = Finder {
            keys: Keys::new(Vec::new()),
            families: Vec::new(),
            first_bytes: [false; 256],
            places: Vec::new(),
            events: Keys::new(Vec::new()),
            name_keys: spec.texts(&["content", "event_name_keys"]),
            carriers: Carriers {
                span_attribute: spec.text(&["content", "carriers", "span_attribute"]),
                span_event: spec.text(&["content", "carriers", "span_event"]),
                log_attribute: spec.text(&["content", "carriers", "log_attribute"]),
                log_body: spec.text(&["content", "carriers", "log_body"]),
            },
        };
        let listed = finder.declare(spec)?;
        finder.declare_events(spec);
        let carrier = spec.texts(&["llm", "carrier_mark"]).into_iter().next().unwrap_or_default();
        let mark = spec.text(&["content", "mark"]);
        finder.check(records, &listed, &carrier, &mark)?;
        let mut known: HashMap<String, Known> = HashMap::new();
        let nothing = Known { place: None, promoted: None, marks: false, carrier: false };
        for (key, number) in promotion.iter().flat_map(|promotion| promotion.key_numbers()) {
            known.entry(key.clone()).or_insert(nothing).promoted = Some(*number);
        }
        known.entry(carrier).or_insert(nothing).carrier = true;
        known.entry(mark).or_insert(nothing).marks = true;
        for (key, place) in listed {
            known.entry(key).or_insert(nothing).place = Some(place);
        }
        finder.keys = Keys::new(known.into_iter().collect());
        Ok(finder)
    }

    fn declare(&mut self, spec: &Spec) -> Result<HashMap<String, usize>, Faults> {
        let (mut listed, mut kinds, mut faults) = (HashMap::new(), HashMap::<String, String>::new(), Vec::new());
        for (member, marked) in [("kinds", false), ("marked_kinds", true)] {
            for (kind, keys) in spec.text_lists(&["content", member]) {
                for key in keys {
                    if let Some(other) = kinds.insert(key.clone(), kind.clone()) {
                        faults.push(format!("content key {key} is of two kinds: {other}, {kind}"));
                    }
                    let family = key.ends_with(".#") || key.ends_with(".*");
                    let place = self.places.len();
                    self.places.push(Place { kind: kind.clone(), attribute: key.clone(), family, marked });
                    if family {
                        let prefix = key.get(..key.len() - 1).unwrap_or_default().to_owned();
                        if let Some(first) = prefix.bytes().next().and_then(|byte| self.first_bytes.get_mut(usize::from(byte)))
                        {
                            *first = true;
                        }
                        self.families.push(Family { prefix, indexed: key.ends_with('#'), place });
                    } else {
                        listed.insert(key, place);
                    }
                }
            }
        }
        if faults.is_empty() { Ok(listed) } else { Err(faults) }
    }

    fn declare_events(&mut self, spec: &Spec) {
        let mut events = Vec::new();
        for name in spec.names(&["content", "events"]) {
            let kind = spec.text(&["content", "events", &name, "kind"]);
            let mut place = |attribute: &str| {
                self.places.push(Place { kind: kind.clone(), attribute: attribute.to_owned(), family: false, marked: false });
                self.places.len() - 1
            };
            let keys = spec.texts(&["content", "events", &name, "keys"]);
            let keys = keys.into_iter().map(|key| (key.clone(), place(&key))).collect();
            let body = place("");
            events.push((name, Event { keys, body }));
        }
        self.events = Keys::new(events);
    }

    /// A key that is content is taken before any other reader of it comes by: refuse the spec where there is one.
    fn check(&self, records: &Table, listed: &HashMap<String, usize>, carrier: &str, mark: &str) -> Result<(), Faults> {
        let mut readers = Vec::new();
        for column in &records.columns {
            for source in column.sources.iter().filter(|source| !source.on_resource) {
                readers.push((source.key.as_str(), format!("column {}.{}", records.name, column.name)));
            }
        }
        readers.push((carrier, "the mark of usage carriers".to_owned()));
        readers.push((mark, "the mark of content".to_owned()));
        readers.extend(self.name_keys.iter().map(|key| (key.as_str(), "the name of an event".to_owned())));
        let fault = |(key, reader): (&str, String)| {
            let place =
                listed.get(key).copied().or_else(|| self.in_family(key.as_bytes())).and_then(|place| self.places.get(place))?;
            Some(format!("{reader}: its attribute {key} is content ({}: {})", place.kind, place.attribute))
        };
        let faults: Vec<String> = readers.into_iter().filter_map(fault).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn in_family(&self, key: &[u8]) -> Option<usize> {
        let first = *key.first()?;
        if !self.first_bytes.get(usize::from(first)).copied().unwrap_or(false) {
            return None;
        }
        let holds = |family: &&Family| {
            key.strip_prefix(family.prefix.as_bytes())
                .is_some_and(|rest| !family.indexed || rest.first().is_some_and(u8::is_ascii_digit))
        };
        self.families.iter().find(holds).map(|family| family.place)
    }

    fn family_of(&self, place: usize) -> bool {
        self.places.get(place).is_some_and(|place| place.family)
    }

    fn is_marked(&self, place: usize) -> bool {
        self.places.get(place).is_some_and(|place| place.marked)
    }

    /// Whether an attribute may name the event that a log record is.
    pub fn names_event(&self, tree: &Tree<'_>, list: List) -> bool {
        tree.items(list).any(|node| self.name_keys.iter().any(|key| *key.as_bytes() == *node.key))
    }

    /// Look at the keys of a document. `event`: what more is content in it; `has_mark`: whether the mark counts.
    pub fn look(&self, tree: &Tree<'_>, list: List, event: Option<&Event>, has_mark: bool) -> Look {
        let mut look = Look::default();
        for (at, node) in tree.items(list).enumerate() {
            let known = self.keys.get(node.hash, node.key);
            let mut place = match known {
                Some(known) => known.place.or_else(|| if known.promoted.is_none() { self.in_family(node.key) } else { None }),
                None => self.in_family(node.key),
            };
            if let Some((_, own)) = event.and_then(|event| event.keys.iter().find(|(key, _)| key.as_bytes() == node.key)) {
                place = Some(*own);
            }
            if let Some(known) = known {
                look.marked |= known.marks && has_mark;
                if known.carrier {
                    look.carrier = Some(at);
                }
                look.promoted.extend(known.promoted.map(|number| (number, at)));
            }
            look.places.extend(place.map(|place| (place, at)));
        }
        look.places.retain(|&(place, _)| look.marked || !self.is_marked(place));
        look
    }

    /// Take the content out of a document of these keys.
    #[inline]
    pub fn take(&self, seen: &mut Seen, look: &Look, tree: &Tree<'_>, list: List) {
        let Seen { nodes, taken } = seen;
        taken.clear();
        nodes.clear();
        nodes.extend(tree.indexes(list).map(|index| (index, true)));
        for &(place, at) in &look.places {
            let Some((index, stays)) = nodes.get_mut(at) else { break };
            *stays = false;
            let mut family = taken.iter_mut().filter(|taken| taken.place == place && self.family_of(place));
            match family.next() {
                Some(taken) => taken.nodes.push(*index),
                None => taken.push(Taken { place, nodes: vec![*index] }),
            }
        }
    }
}

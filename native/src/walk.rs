//! The way through an export request: Resource* → Scope* → record, on the wire itself.
//!
//! The field numbers of the three signals coincide here. Fields may come in any order and more than once: messages of a
//! singular field merge, which on the wire is to join their bytes, and of strings the last one counts.

use std::borrow::Cow;

use crate::metric;
use crate::wire::{Malformed, fields, tag};

const RESOURCE_MESSAGES: u32 = tag(1); // in the request
const RESOURCE: u32 = tag(1); // or the scope, one level down
const CHILDREN: u32 = tag(2); // Scope* messages, or records
const SCHEMA_URL: u32 = tag(3);

/// One Scope* message that holds records: where it stands, and what lies in it.
pub struct Envelope<'a> {
    /// Which Resource* message, counted from 0.
    pub resource_index: usize,
    /// Which Scope* message in it, counted from 0.
    pub scope_index: usize,
    /// The Scope* message.
    pub message: &'a [u8],
}

/// What describes a Resource* or Scope* message.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Described<'a> {
    /// The merged Resource or InstrumentationScope.
    pub message: Cow<'a, [u8]>,
    /// Not yet known to be UTF-8.
    pub schema_url: &'a [u8],
}

/// Scan one level; whether it leads on: it has a child of at least `child_min` bytes.
fn describe(message: &[u8], child_min: usize) -> Result<(Described<'_>, bool), Malformed> {
    let mut merged: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    let mut schema_url: &[u8] = &[];
    let mut leads_on = false;
    for field in fields(message) {
        let field = field?;
        match field.tag {
            CHILDREN => leads_on |= field.value.len() >= child_min,
            RESOURCE if merged.is_empty() => merged = Cow::Borrowed(field.value),
            RESOURCE => merged.to_mut().extend_from_slice(field.value),
            SCHEMA_URL => schema_url = field.value,
            _ => {}
        }
    }
    Ok((Described { message: merged, schema_url }, leads_on))
}

/// Every Scope* message with records, in order, is given to `visit`, with its Resource and its scope.
pub fn envelopes<'a>(
    payload: &'a [u8],
    mut visit: impl FnMut(&Envelope<'a>, &Described<'a>, Described<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let outer = fields(payload).filter(|field| !matches!(field, Ok(found) if found.tag != RESOURCE_MESSAGES));
    for (resource_index, field) in outer.enumerate() {
        let message = field?.value;
        if message.is_empty() {
            continue;
        }
        let (resource, leads_on) = describe(message, 1)?;
        if !leads_on {
            continue;
        }
        let middle = fields(message).filter(|field| !matches!(field, Ok(found) if found.tag != CHILDREN));
        for (scope_index, field) in middle.enumerate() {
            let message = field?.value;
            if message.is_empty() {
                continue;
            }
            let (scope, leads_on) = describe(message, 0)?;
            if leads_on {
                visit(&Envelope { resource_index, scope_index, message }, &resource, scope)?;
            }
        }
    }
    Ok(())
}

/// Every record of one Scope* message.
pub fn records(message: &[u8]) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    fields(message).filter_map(|field| match field {
        Ok(found) if found.tag != CHILDREN => None,
        Ok(found) => Some(Ok(found.value)),
        Err(error) => Some(Err(error)),
    })
}

/// What a field of the outer levels may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A message around records.
    Container,
    /// A record.
    Record,
    /// Anything else.
    Other,
}

/// How many messages and fields a client sends for a record at most: each in a resource of its own, with all that describes it.
struct Shape {
    in_metrics: bool,
    containers: u64,
    fields: u64,
}

fn shape(in_metrics: bool) -> Shape {
    if in_metrics { Shape { in_metrics, containers: 3, fields: 16 } } else { Shape { in_metrics, containers: 2, fields: 8 } }
}

/// How many records the request holds; `limit + 1` as soon as it is certain that they are more, or the messages around them.
pub fn count(payload: &[u8], in_metrics: bool, limit: u64) -> Result<u64, Malformed> {
    let shape = shape(in_metrics);
    let (mut found, mut containers, mut steps, mut over) = (0u64, 0u64, 0u64, false);
    walk_steps(payload, shape.in_metrics, &mut |step| {
        match step {
            Step::Record => found += 1,
            Step::Container => containers += 1,
            Step::Other => {}
        }
        let most = |times: u64| limit.saturating_mul(times);
        over = found > limit || containers > most(shape.containers) || steps > most(shape.fields).saturating_add(1000);
        steps += 1;
        !over
    })?;
    Ok(if over { limit.saturating_add(1) } else { found })
}

/// Whether the outer levels hold at most `max_fields` fields, as far as they can be read.
pub fn is_light(payload: &[u8], in_metrics: bool, max_fields: u64) -> bool {
    let (mut steps, mut light) = (0u64, true);
    let _ = walk_steps(payload, in_metrics, &mut |_| {
        light = steps < max_fields;
        steps += 1;
        light
    });
    light
}

/// What each field of the outer levels is, in order, until `visit` says false. Ok(false) when it did.
fn walk_steps(payload: &[u8], in_metrics: bool, visit: &mut dyn FnMut(Step) -> bool) -> Result<bool, Malformed> {
    for outer in fields(payload) {
        let outer = outer?;
        if outer.tag != RESOURCE_MESSAGES {
            if !visit(Step::Other) {
                return Ok(false);
            }
            continue;
        }
        if !visit(Step::Container) {
            return Ok(false);
        }
        for middle in fields(outer.value) {
            let middle = middle?;
            if middle.tag != CHILDREN {
                if !visit(Step::Other) {
                    return Ok(false);
                }
                continue;
            }
            if !visit(Step::Container) {
                return Ok(false);
            }
            for inner in fields(middle.value) {
                let inner = inner?;
                let more = if inner.tag != CHILDREN {
                    visit(Step::Other)
                } else if in_metrics {
                    visit(Step::Container) && metric_steps(inner.value, visit)?
                } else {
                    visit(Step::Record)
                };
                if !more {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// The same for the fields of a Metric and of its data.
fn metric_steps(message: &[u8], visit: &mut dyn FnMut(Step) -> bool) -> Result<bool, Malformed> {
    let mut more = true;
    let found = metric::read(message, &mut || {
        more = more && visit(Step::Other);
        more
    })?;
    if !more {
        return Ok(false);
    }
    metric::data_fields(message, &found, &mut |tag, _| Ok(visit(if tag == metric::POINT { Step::Record } else { Step::Other })))
}

//! Who speaks: a resource and a scope, and what the ops of a source read from them.

use bumpalo::Bump;

use crate::batch::Id;
use crate::counts::{Counts, Rule, SOURCE_MALFORMED};
use crate::cursor::{Broken, Cursor, DEPTH_MAX};
use crate::document;
use crate::field;
use crate::json::{self, Object};
use crate::limits::Limits;
use crate::measure;
use crate::op::SourceOp;
use crate::promote::{Promotion, ResourceField};
use crate::repair::repaired;
use crate::schema::{RESOURCE, SCOPE, Schema};
use crate::spec::Table;
use crate::table::{RecordTable, Sealed, SharedFields};
use crate::tree::{List, Tree, Value};
use crate::walk;

const DAY_US: i64 = 86_400_000_000;
/// What a row of sources mostly has beside two documents, at most.
const ROOM: usize = 512;

/// A resource or a scope, read: also its document as JSON, and what is beside it.
pub struct Described {
    json: Vec<u8>,
    dropped_attributes_count: u32,
    schema_url: Vec<u8>,
    /// What was repaired in it.
    pub repaired: Counts,
    name: Vec<u8>,
    version: Vec<u8>,
    entity_refs: Option<Vec<u8>>,
    service_name: Vec<u8>,
    /// Which promoted columns of spans it fills.
    pub promoted: Vec<Option<ResourceField>>,
}

/// What the ops of a source read.
pub struct Speaker<'s> {
    /// Whose it is.
    pub tenant: &'s str,
    /// When the request was received, in microseconds since the Unix epoch.
    pub now: i64,
    /// The resource.
    pub resource: &'s Described,
    /// The scope.
    pub scope: &'s Described,
    /// Known once the row of sources is sealed.
    pub id: Id,
}

impl Speaker<'_> {
    /// The field of one op.
    pub fn write(&self, out: &mut Vec<u8>, op: SourceOp, max_bytes: usize) {
        let (resource, scope) = (self.resource, self.scope);
        match op {
            SourceOp::Tenant => field::text(out, self.tenant.as_bytes(), max_bytes),
            SourceOp::ReceivedDate => field::date(out, self.now.div_euclid(DAY_US)),
            SourceOp::ReceivedAt => field::timestamptz(out, self.now),
            SourceOp::Id => field::raw(out, &self.id),
            SourceOp::ServiceName => field::text(out, &resource.service_name, max_bytes),
            SourceOp::ResourceAttributes => field::jsonb(out, &resource.json),
            SourceOp::ResourceDroppedAttributesCount => field::int8(out, resource.dropped_attributes_count.into()),
            SourceOp::ResourceSchemaUrl => field::text(out, &resource.schema_url, max_bytes),
            SourceOp::ResourceEntityRefs => match &resource.entity_refs {
                Some(json) => field::jsonb(out, json),
                None => field::null(out),
            },
            SourceOp::ScopeName => field::text(out, &scope.name, max_bytes),
            SourceOp::ScopeVersion => field::text(out, &scope.version, max_bytes),
            SourceOp::ScopeAttributes => field::jsonb(out, &scope.json),
            SourceOp::ScopeDroppedAttributesCount => field::int8(out, scope.dropped_attributes_count.into()),
            SourceOp::ScopeSchemaUrl => field::text(out, &scope.schema_url, max_bytes),
        }
    }

    /// What all records that it said share in a table.
    pub fn share<Op: Copy>(&self, table: &RecordTable<Op>) -> SharedFields {
        table.share(|out, op, max_bytes| self.write(out, op, max_bytes))
    }
}

#[derive(Default)]
struct EntityRef<'a> {
    schema_url: &'a [u8],
    type_: &'a [u8],
    id_keys: Vec<&'a [u8]>,
    description_keys: Vec<&'a [u8]>,
}

#[derive(Default)]
struct Message<'a> {
    attributes: List,
    dropped_attributes_count: u32,
    entity_refs: Vec<EntityRef<'a>>,
    name: &'a [u8],
    version: &'a [u8],
}

fn parse_resource<'a>(data: &'a [u8], tree: &mut Tree<'a>) -> Result<Message<'a>, Broken> {
    let mut message = Message::default();
    let mut cursor = Cursor::new(data);
    while let Some(tag) = cursor.tag()? {
        match tag {
            0x0a => tree.key_value(cursor.delimited()?, DEPTH_MAX - 1, &mut message.attributes)?,
            0x10 => message.dropped_attributes_count = cursor.varint()? as u32,
            0x1a => message.entity_refs.push(parse_entity_ref(cursor.delimited()?, DEPTH_MAX - 1)?),
            _ => cursor.skip(tag, DEPTH_MAX)?,
        }
    }
    Ok(message)
}

fn parse_entity_ref(data: &[u8], depth: u32) -> Result<EntityRef<'_>, Broken> {
    let mut found = EntityRef::default();
    let mut cursor = Cursor::new(data);
    while let Some(tag) = cursor.tag()? {
        match tag {
            0x0a => found.schema_url = cursor.text()?,
            0x12 => found.type_ = cursor.text()?,
            0x1a => found.id_keys.push(cursor.text()?),
            0x22 => found.description_keys.push(cursor.text()?),
            _ => cursor.skip(tag, depth)?,
        }
    }
    Ok(found)
}

fn parse_scope<'a>(data: &'a [u8], tree: &mut Tree<'a>) -> Result<Message<'a>, Broken> {
    let mut message = Message::default();
    let mut cursor = Cursor::new(data);
    while let Some(tag) = cursor.tag()? {
        match tag {
            0x0a => message.name = cursor.text()?,
            0x12 => message.version = cursor.text()?,
            0x1a => tree.key_value(cursor.delimited()?, DEPTH_MAX - 1, &mut message.attributes)?,
            0x20 => message.dropped_attributes_count = cursor.varint()? as u32,
            _ => cursor.skip(tag, DEPTH_MAX)?,
        }
    }
    Ok(message)
}

/// Resources and scopes as a program reads them.
pub struct Reading<'l> {
    /// What may be taken at most.
    pub limits: &'l Limits,
    /// The promoted columns of spans.
    pub promotion: &'l Promotion,
}

impl Reading<'_> {
    /// The resource; the rule it breaks when it is too large, no protobuf, or its schema URL not UTF-8.
    pub fn resource(&self, described: &walk::Described<'_>) -> Result<Described, Rule> {
        self.described(described, &RESOURCE, parse_resource)
    }

    /// The scope; the rule it breaks, as for a resource.
    pub fn scope(&self, described: &walk::Described<'_>) -> Result<Described, Rule> {
        self.described(described, &SCOPE, parse_scope)
    }

    fn described(
        &self,
        described: &walk::Described<'_>,
        schema: &'static Schema,
        parse: for<'m> fn(&'m [u8], &mut Tree<'m>) -> Result<Message<'m>, Broken>,
    ) -> Result<Described, Rule> {
        if let Some(rule) = measure::exceeded(&described.message, schema, self.limits).map_err(|_| SOURCE_MALFORMED)? {
            return Err(rule);
        }
        let arena = Bump::new();
        let mut tree = Tree::new(&arena);
        let message = parse(&described.message, &mut tree).map_err(|_| SOURCE_MALFORMED)?;
        std::str::from_utf8(described.schema_url).map_err(|_| SOURCE_MALFORMED)?;
        let mut counts = Counts::default();
        let mut attributes = message.attributes;
        tree.read(&mut attributes, &mut counts);
        let mut json = Vec::with_capacity((2 * described.message.len()).min(4096));
        document::object(&mut json, &tree, attributes, true);
        let get = |key: &str| tree.items(attributes).find(|node| node.key == key.as_bytes()).map(|node| &node.value);
        let service_name = match get("service.name") {
            Some(Value::Text(name)) => name.to_vec(),
            _ => Vec::new(),
        };
        let mut entity_refs = None;
        if !message.entity_refs.is_empty() {
            entity_refs = Some(render_entity_refs(&message.entity_refs, &mut counts));
        }
        Ok(Described {
            json,
            dropped_attributes_count: message.dropped_attributes_count,
            schema_url: repaired(described.schema_url, &mut counts).into_owned(),
            name: repaired(message.name, &mut counts).into_owned(),
            version: repaired(message.version, &mut counts).into_owned(),
            entity_refs,
            service_name,
            promoted: self.promotion.of_resource(&tree, get),
            repaired: counts,
        })
    }
}

fn render_entity_refs(references: &[EntityRef<'_>], counts: &mut Counts) -> Vec<u8> {
    let mut out = vec![b'['];
    for (index, reference) in references.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let mut object = Object::open(&mut out);
        for (name, text) in [("schema_url", reference.schema_url), ("type", reference.type_)] {
            if !text.is_empty() {
                json::string(object.member(name), &repaired(text, counts));
            }
        }
        for (name, keys) in [("id_keys", &reference.id_keys), ("description_keys", &reference.description_keys)] {
            if keys.is_empty() {
                continue;
            }
            let member = object.member(name);
            for (index, key) in keys.iter().enumerate() {
                member.push(if index > 0 { b',' } else { b'[' });
                json::string(member, &repaired(key, counts));
            }
            member.push(b']');
        }
        object.close();
    }
    out.push(b']');
    out
}

/// The compiled table of sources.
pub struct SourceTable(RecordTable<SourceOp>);

impl SourceTable {
    /// A compiled table.
    pub fn new(table: &Table) -> Self {
        SourceTable(RecordTable::new(table, SourceOp::parse))
    }

    /// Its place in the order of writing.
    pub fn place(&self) -> usize {
        self.0.place
    }

    /// The row of a source; its id is that of the speaker from now on.
    pub fn seal(&self, speaker: &mut Speaker<'_>) -> Vec<u8> {
        let described = speaker.resource.json.len() + speaker.scope.json.len();
        let (mut out, mut sealed) = (Vec::with_capacity(described + ROOM), Sealed::default());
        self.0.write(&mut out, &Default::default(), |out, op, max_bytes| {
            let start = out.len();
            match op {
                SourceOp::Id => sealed.id(out),
                _ => speaker.write(out, op, max_bytes),
            }
            // An id says what something is, not when it was seen.
            if op == SourceOp::ReceivedDate {
                sealed.leave_out(start, out);
            }
        });
        speaker.id = sealed.seal(&mut out);
        out
    }
}

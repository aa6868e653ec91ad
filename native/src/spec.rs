//! The JSON spec of the tables, read and checked: what cannot be run is refused here, at start, with all faults at once.

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::conversion::Conversion;
use crate::counts::{ODDITIES, REJECTIONS, REPAIRS};
use crate::{field, op};

/// The version of the spec that this codec runs.
pub const SPEC_VERSION: u64 = 3;

/// Why a spec is refused, one readable line each.
pub type Faults = Vec<String>;

/// `attr:KEY:CONVERSION` or `resource_attr:KEY:CONVERSION`.
#[derive(Debug, Clone)]
pub struct AttributeSource {
    /// The attribute.
    pub key: String,
    /// How its value becomes the column's.
    pub conversion: Conversion,
    /// Whether it is one of the resource.
    pub on_resource: bool,
}

/// One column. `sources` is empty unless it is filled from attributes.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// How it is filled.
    pub op: String,
    /// At which length its text is cut.
    pub max_bytes: usize,
    /// Where it comes from, best first.
    pub sources: Vec<AttributeSource>,
}

/// One table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// As `tables/column.py` has it.
    pub kind: String,
    /// Its columns in order.
    pub columns: Vec<Column>,
    /// Its place among the tables, which is the order of writing.
    pub place: usize,
}

/// All of it.
#[derive(Debug)]
pub struct Spec {
    /// In writing order.
    pub tables: Vec<Table>,
    document: Json,
}

impl Spec {
    /// The spec in `text`, or why it cannot be run.
    pub fn load(text: &str) -> Result<Self, Faults> {
        let document: Json = serde_json::from_str(text).map_err(|error| vec![format!("the table spec is no JSON: {error}")])?;
        let version = document.get("version").and_then(Json::as_u64).unwrap_or(0);
        if version != SPEC_VERSION {
            return Err(vec![format!("the table spec has version {version}, the native codec runs version {SPEC_VERSION}")]);
        }
        let mut faults = Vec::new();
        let tables = list(&document, "tables")
            .iter()
            .enumerate()
            .map(|(place, table)| Table {
                name: text_of(table, "name"),
                kind: text_of(table, "kind"),
                columns: list(table, "columns").iter().map(|item| column(&text_of(table, "name"), item, &mut faults)).collect(),
                place,
            })
            .collect();
        let spec = Spec { tables, document };
        spec.tables.iter().for_each(|table| shared_keys(table, &mut faults));
        for (member, known) in [("rejections", REJECTIONS), ("repairs", REPAIRS), ("oddities", ODDITIES)] {
            let declared = spec.texts(&[member]);
            let missing = known.iter().filter(|rule| !declared.iter().any(|name| name == *rule));
            faults.extend(missing.map(|rule| format!("the table spec does not declare {rule} among its {member}")));
        }
        if faults.is_empty() { Ok(spec) } else { Err(faults) }
    }

    /// The table of that kind which has a column of that op: tables are known by what they hold, not by name.
    pub fn filled_by(&self, op: &str, kind: &str) -> Result<&Table, Faults> {
        let filled = |table: &&Table| table.kind == kind && table.columns.iter().any(|column| column.op == op);
        let missing = || vec![format!("the table spec has no {kind} table with a column filled by {op}")];
        self.tables.iter().find(filled).ok_or_else(missing)
    }

    fn at(&self, path: &[&str]) -> &Json {
        path.iter().fold(&self.document, |here, name| here.get(name).unwrap_or(&Json::Null))
    }

    /// A string.
    pub fn text(&self, path: &[&str]) -> String {
        self.at(path).as_str().unwrap_or_default().to_owned()
    }

    /// A list of strings.
    pub fn texts(&self, path: &[&str]) -> Vec<String> {
        strings(self.at(path))
    }

    /// An object of strings.
    pub fn text_map(&self, path: &[&str]) -> HashMap<String, String> {
        let text = |(name, value): (&String, &Json)| Some((name.clone(), value.as_str()?.to_owned()));
        self.at(path).as_object().into_iter().flatten().filter_map(text).collect()
    }

    /// An object of lists of strings, in the order of the spec.
    pub fn text_lists(&self, path: &[&str]) -> Vec<(String, Vec<String>)> {
        self.at(path).as_object().into_iter().flatten().map(|(name, value)| (name.clone(), strings(value))).collect()
    }

    /// The names of an object's members.
    pub fn names(&self, path: &[&str]) -> Vec<String> {
        self.at(path).as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }

    /// A limit.
    pub fn limit(&self, name: &str) -> Result<u64, Faults> {
        self.at(&["limits", name]).as_u64().ok_or_else(|| vec![format!("the table spec has no limit {name}")])
    }
}

fn strings(value: &Json) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|item| Some(item.as_str()?.to_owned())).collect()
}

fn list<'j>(value: &'j Json, name: &str) -> &'j [Json] {
    value.get(name).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text_of(value: &Json, name: &str) -> String {
    value.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn column(table: &str, item: &Json, faults: &mut Faults) -> Column {
    let (name, op, type_) = (text_of(item, "name"), text_of(item, "op"), text_of(item, "type"));
    let place = format!("column {table}.{name}");
    let mut sources = Vec::new();
    let rendered = op::type_of(&op);
    if op != op::IGNORED && rendered.is_none() {
        for source_op in std::iter::once(op.clone()).chain(strings(item.get("aliases").unwrap_or(&Json::Null))) {
            match attribute_source(&source_op) {
                None => faults.push(format!("{place}: unknown op {source_op}")),
                Some((_, conversion, _)) if Conversion::parse(conversion).is_none() => {
                    faults.push(format!("{place}: unknown conversion {conversion}"));
                }
                Some((key, conversion, on_resource)) => {
                    let conversion = Conversion::parse(conversion).unwrap_or(Conversion::Text);
                    let rendered = conversion.type_();
                    if rendered != type_ && field::TYPES.contains(&type_.as_str()) {
                        faults.push(format!("{place}: op {source_op} renders {rendered}, the column is {type_}"));
                    }
                    sources.push(AttributeSource { key: key.to_owned(), conversion, on_resource });
                }
            }
        }
    }
    if op != op::IGNORED && !field::TYPES.contains(&type_.as_str()) {
        faults.push(format!("{place}: unknown type {type_}"));
    } else if let Some(rendered) = rendered.filter(|rendered| *rendered != type_) {
        faults.push(format!("{place}: op {op} renders {rendered}, the column is {type_}"));
    }
    let max_bytes = item.get("max_bytes").and_then(Json::as_u64).map_or(usize::MAX, |max| max as usize);
    Column { name, op, max_bytes, sources }
}

/// The op's key, conversion and carrier, None for an op without argument. Keys may hold colons.
fn attribute_source(op: &str) -> Option<(&str, &str, bool)> {
    let (carrier, rest) = op.split_once(':')?;
    let (key, conversion) = rest.rsplit_once(':')?;
    let known = matches!(carrier, "attr" | "resource_attr") && !key.is_empty();
    known.then_some((key, conversion, carrier == "resource_attr"))
}

/// A canonical key that another column reads too could not leave the document without being missed there.
fn shared_keys(table: &Table, faults: &mut Faults) {
    for column in &table.columns {
        let Some(canonical) = column.sources.first().filter(|source| !source.on_resource) else { continue };
        let reads =
            |other: &&Column| other.name != column.name && other.sources.iter().any(|source| source.key == canonical.key);
        let others: Vec<&str> = table.columns.iter().filter(reads).map(|other| other.name.as_str()).collect();
        if !others.is_empty() {
            let others = others.join(", ");
            faults.push(format!("column {}.{}: its attribute {} also fills {others}", table.name, column.name, canonical.key));
        }
    }
}

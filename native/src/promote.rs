//! Promoted attributes: which columns they fill, and which of them leave the document. The rules are said in the reference's
//! `promote.py`.

use std::collections::HashMap;

use crate::convert::{Conversion, Conversions};
use crate::field;
use crate::spec::{Spec, Table};
use crate::tree::{Tree, Value};

struct Source {
    conversion: Conversion,
    /// The number of its key among those of records, None for an attribute of the resource.
    key: Option<usize>,
    resource_key: String,
}

struct Column {
    sources: Vec<Source>,
    max_bytes: usize,
}

/// How a key of the record is used.
#[derive(Clone, Default)]
struct Key {
    /// It is the canonical attribute of this column, and leaves the document for it.
    alone: Option<usize>,
    /// Otherwise: the columns that read it.
    readers: Vec<usize>,
}

/// What a resource puts into a promoted column: by which of its sources, and the field.
pub type ResourceField = (usize, Vec<u8>);

/// What fills a column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// Nothing.
    Null,
    /// The resource.
    Resource,
    /// The record: from there to there in `Filling::fields`.
    Record(u32, u32),
}

/// The promoted columns of one record.
#[derive(Default)]
pub struct Filling {
    /// Field bytes.
    pub fields: Vec<u8>,
    /// By column.
    pub filled: Vec<Filled>,
    /// See `Promotion::fill`.
    pub leaving: Vec<usize>,
    settled: Vec<usize>,
}

impl Filling {
    /// The fields of columns beside each other.
    pub fn write(&self, out: &mut Vec<u8>, first: usize, count: usize, resource: &[Option<ResourceField>]) {
        for (column, filled) in self.filled.iter().enumerate().skip(first).take(count) {
            match *filled {
                Filled::Null => field::null(out),
                _ => out.extend_from_slice(self.field(column, resource)),
            }
        }
    }

    /// The field of a column; `resource` is what the resource fills.
    #[inline]
    pub fn field<'f>(&'f self, column: usize, resource: &'f [Option<ResourceField>]) -> &'f [u8] {
        match self.filled.get(column) {
            Some(&Filled::Record(start, end)) => self.fields.get(start as usize..end as usize).unwrap_or(&field::NULL),
            Some(Filled::Resource) => match resource.get(column) {
                Some(Some((_, field))) => field,
                _ => &field::NULL,
            },
            _ => &field::NULL,
        }
    }
}

/// All promoted columns of one table.
pub struct Promotion {
    conversions: Conversions,
    columns: Vec<Column>,
    keys: Vec<Key>,
    key_numbers: HashMap<String, usize>,
}

impl Promotion {
    /// Those of a table of the spec.
    pub fn new(spec: &Spec, table: &Table) -> Self {
        let (mut keys, mut key_numbers): (Vec<Key>, HashMap<String, usize>) = Default::default();
        let mut columns = Vec::new();
        for (number, column) in table.columns.iter().filter(|column| !column.sources.is_empty()).enumerate() {
            let promotes = !column.sources.iter().any(|source| source.on_resource);
            let mut sources = Vec::new();
            for (rank, source) in column.sources.iter().enumerate() {
                let key = (!source.on_resource).then(|| {
                    *key_numbers.entry(source.key.clone()).or_insert_with(|| {
                        keys.push(Key::default());
                        keys.len() - 1
                    })
                });
                if let Some(known) = key.and_then(|key| keys.get_mut(key)) {
                    if rank == 0 && promotes {
                        known.alone = Some(number);
                    } else {
                        known.readers.push(number);
                    }
                }
                sources.push(Source { conversion: source.conversion, key, resource_key: source.key.clone() });
            }
            columns.push(Column { sources, max_bytes: column.max_bytes });
        }
        Promotion { conversions: Conversions::new(spec), columns, keys, key_numbers }
    }

    /// The keys of records that are read, with their numbers.
    pub fn key_numbers(&self) -> &HashMap<String, usize> {
        &self.key_numbers
    }

    /// By column, what a resource fills: the first of its sources that gives something.
    pub fn of_resource<'t, 'a: 't>(
        &self,
        tree: &Tree<'a>,
        get: impl Fn(&str) -> Option<&'t Value<'a>>,
    ) -> Vec<Option<ResourceField>> {
        let first = |column: &Column| {
            column.sources.iter().enumerate().filter(|(_, source)| source.key.is_none()).find_map(|(rank, source)| {
                let mut out = Vec::new();
                let value = get(&source.resource_key)?;
                self.conversions.write(source.conversion, &mut out, tree, value, column.max_bytes).map(|_| (rank, out))
            })
        };
        self.columns.iter().map(first).collect()
    }

    /// What fills the columns of a record without attributes.
    pub fn blank(resource: &[Option<ResourceField>]) -> Vec<Filled> {
        resource.iter().map(|field| if field.is_some() { Filled::Resource } else { Filled::Null }).collect()
    }

    /// Fill the columns, which are `blank` before. `nodes` are the attributes of the record, `present` has the numbers of their promoted keys with
    /// their places there; `Filling::leaving` are afterwards the places of those that the columns alone now hold.
    pub fn fill(
        &self,
        filling: &mut Filling,
        tree: &Tree<'_>,
        nodes: &[(u32, bool)],
        present: &[(usize, usize)],
        resource: &[Option<ResourceField>],
        blank: &[Filled],
    ) {
        filling.fields.clear();
        filling.leaving.clear();
        filling.filled.clear();
        filling.filled.extend_from_slice(blank);
        filling.settled.clear();
        let record = Record { tree, nodes, present, resource };
        for key in present.iter().filter_map(|&(key, _)| self.keys.get(key)).filter(|key| key.alone.is_none()) {
            for &column in &key.readers {
                if !filling.settled.contains(&column) {
                    filling.settled.push(column);
                    self.fill_first(filling, column, &record);
                }
            }
        }
        for &(key, place) in present {
            let Some(column) = self.keys.get(key).and_then(|key| key.alone) else { continue };
            if filling.settled.contains(&column) {
                continue;
            }
            if let Some(source) = self.columns.get(column).and_then(|of| of.sources.first())
                && self.convert(filling, column, source.conversion, &record, place) == Some(true)
            {
                filling.leaving.push(place);
            }
        }
    }

    fn convert(
        &self,
        filling: &mut Filling,
        column: usize,
        conversion: Conversion,
        record: &Record<'_, '_>,
        place: usize,
    ) -> Option<bool> {
        let node = record.tree.node(record.nodes.get(place)?.0)?;
        let start = filling.fields.len();
        let max_bytes = self.columns.get(column)?.max_bytes;
        let exact = self.conversions.write(conversion, &mut filling.fields, record.tree, &node.value, max_bytes)?;
        *filling.filled.get_mut(column)? = Filled::Record(start as u32, filling.fields.len() as u32);
        Some(exact)
    }

    /// A column with more than its canonical attribute to choose from. Nothing leaves the document.
    fn fill_first(&self, filling: &mut Filling, column: usize, record: &Record<'_, '_>) {
        let Some(of) = self.columns.get(column) else { return };
        let better = match record.resource.get(column) {
            Some(Some((rank, _))) => *rank,
            _ => of.sources.len(),
        };
        for source in of.sources.iter().take(better) {
            let place = record.present.iter().find(|(key, _)| Some(*key) == source.key);
            if let Some(&(_, place)) = place
                && self.convert(filling, column, source.conversion, record, place).is_some()
            {
                return;
            }
        }
    }
}

/// The attributes of a record, and what its resource fills.
struct Record<'r, 'a> {
    tree: &'r Tree<'a>,
    nodes: &'r [(u32, bool)],
    present: &'r [(usize, usize)],
    resource: &'r [Option<ResourceField>],
}

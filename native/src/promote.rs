//! Promoted attributes: which columns they fill, and which of them leave the document. The rules are said in the reference's
//! `promote.py`.

use std::collections::HashMap;

use crate::conversion::Conversion;
use crate::convert::Conversions;
use crate::field;
use crate::spec::{Spec, Table};
use crate::tree::{Tree, Value};

struct Source {
    conversion: Conversion,
    /// None for an attribute of records.
    resource_key: Option<String>,
}

struct Column {
    sources: Vec<Source>,
    /// Whether its canonical attribute leaves the document for it: it reads none of the resource.
    promotes: bool,
    /// Whether the column before it in the table is none of these.
    begins: bool,
    max_bytes: usize,
}

/// What a resource puts into a promoted column: by which of its sources, and the field.
pub type ResourceField = (usize, Vec<u8>);

/// How records of the same keys and the same resource fill the columns: made once, for they come one after the other. What the
/// steps need lies in their order.
#[derive(Default)]
pub struct Plan<'a> {
    steps: Vec<Step<'a>>,
    /// What is tried: the place of an attribute and its conversion.
    tries: Vec<(usize, Conversion)>,
    /// By column the field where the record has nothing for it.
    fixed: Vec<u8>,
    /// By column: where its step is, its tries, and its bytes in `fixed` begin.
    places: Vec<(usize, usize, usize)>,
}

enum Step<'a> {
    /// So many columns that attributes of the record do not fill.
    Fixed { columns: usize, bytes: usize },
    /// One that the first usable of so many `tries` fills, or else the bytes of `fixed`.
    Tried { tries: usize, bytes: usize, max_bytes: usize, leaves: bool, last: Last<'a> },
}

/// What a step made of the last record's text: names that are looked up are mostly the same ones.
#[derive(Default)]
struct Last<'a> {
    /// And whether it was one in an array.
    text: (&'a [u8], bool),
    /// Empty until something was made.
    field: Vec<u8>,
    is_exact: bool,
}

/// The promoted columns of one record on their way into its row.
pub struct Filling<'f, 'a> {
    steps: std::slice::IterMut<'f, Step<'a>>,
    tries: &'f [(usize, Conversion)],
    fixed: &'f [u8],
}

impl<'a> Plan<'a> {
    /// From the first column on.
    #[inline]
    pub fn begin(&mut self) -> Filling<'_, 'a> {
        Filling { steps: self.steps.iter_mut(), tries: &self.tries, fixed: &self.fixed }
    }
}

/// All promoted columns of one table.
pub struct Promotion {
    conversions: Conversions,
    columns: Vec<Column>,
    key_numbers: HashMap<String, usize>,
    /// By the number of a key, who reads it: column, rank among its sources, conversion.
    readers: Vec<Vec<(usize, usize, Conversion)>>,
}

impl Promotion {
    /// Those of a table of the spec.
    pub fn new(spec: &Spec, table: &Table) -> Self {
        let mut key_numbers: HashMap<String, usize> = HashMap::new();
        let mut readers: Vec<Vec<(usize, usize, Conversion)>> = Vec::new();
        let (mut columns, mut begins): (Vec<Column>, _) = (Vec::new(), true);
        for column in &table.columns {
            if column.sources.is_empty() {
                begins = true;
                continue;
            }
            let mut sources = Vec::new();
            for (rank, source) in column.sources.iter().enumerate() {
                if !source.on_resource {
                    let next = key_numbers.len();
                    let number = *key_numbers.entry(source.key.clone()).or_insert(next);
                    readers.resize_with(key_numbers.len(), Vec::new);
                    readers.get_mut(number).into_iter().for_each(|of| of.push((columns.len(), rank, source.conversion)));
                }
                let resource_key = source.on_resource.then(|| source.key.clone());
                sources.push(Source { conversion: source.conversion, resource_key });
            }
            let promotes = !column.sources.iter().any(|source| source.on_resource);
            columns.push(Column { sources, promotes, begins, max_bytes: column.max_bytes });
            begins = false;
        }
        Promotion { conversions: Conversions::new(spec), columns, key_numbers, readers }
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
            column.sources.iter().enumerate().find_map(|(rank, source)| {
                let mut out = Vec::new();
                let value = get(source.resource_key.as_ref()?)?;
                self.conversions.write(source.conversion, &mut out, tree, value, column.max_bytes).map(|_| (rank, out))
            })
        };
        self.columns.iter().map(first).collect()
    }

    /// Plan for records of these promoted keys: `present` has their numbers and places among the attributes.
    pub fn plan<'a>(&self, present: &[(usize, usize)], resource: &[Option<ResourceField>]) -> Plan<'a> {
        let mut readers: Vec<(usize, usize, Conversion, usize)> = Vec::new();
        for &(key, place) in present {
            let of = self.readers.get(key).map_or(&[][..], Vec::as_slice);
            readers.extend(of.iter().map(|&(column, rank, conversion)| (column, rank, conversion, place)));
        }
        readers.sort_unstable_by_key(|&(column, rank, ..)| (column, rank));
        let mut readers = readers.into_iter().peekable();
        let mut plan = Plan::default();
        plan.steps.reserve(self.columns.len());
        plan.places.reserve(self.columns.len());
        plan.fixed.reserve(8 * self.columns.len());
        plan.tries.reserve(readers.len());
        for (number, column) in self.columns.iter().enumerate() {
            let of_resource = resource.get(number).and_then(Option::as_ref);
            let better = of_resource.map_or(column.sources.len(), |(rank, _)| *rank);
            let (before, mut is_canonical) = (plan.tries.len(), true);
            while let Some((_, rank, conversion, place)) = readers.next_if(|(column, ..)| *column == number) {
                if rank < better {
                    plan.tries.push((place, conversion));
                    is_canonical &= rank == 0;
                }
            }
            let start = plan.fixed.len();
            let field = of_resource.map_or(&field::NULL[..], |(_, field)| field);
            plan.fixed.extend_from_slice(field);
            let (tries, max_bytes, leaves) = (plan.tries.len() - before, column.max_bytes, column.promotes && is_canonical);
            match plan.steps.last_mut() {
                _ if tries > 0 => {
                    plan.steps.push(Step::Tried { tries, bytes: field.len(), max_bytes, leaves, last: Last::default() });
                }
                Some(Step::Fixed { columns, bytes }) if !column.begins => {
                    (*columns, *bytes) = (*columns + 1, *bytes + field.len());
                }
                _ => plan.steps.push(Step::Fixed { columns: 1, bytes: field.len() }),
            }
            plan.places.push((plan.steps.len() - 1, before, start));
        }
        plan
    }

    /// Write the fields of the next columns of a record. `nodes` are its attributes and whether they stay in the document: those
    /// that the columns alone hold do not.
    #[inline]
    pub fn fill<'a>(
        &self,
        out: &mut Vec<u8>,
        filling: &mut Filling<'_, 'a>,
        mut count: usize,
        tree: &Tree<'a>,
        nodes: &mut [(u32, bool)],
    ) {
        while count > 0
            && let Some(step) = filling.steps.next()
        {
            match step {
                Step::Fixed { columns, bytes } => {
                    out.extend_from_slice(taken(&mut filling.fixed, *bytes));
                    count = count.saturating_sub(*columns);
                }
                Step::Tried { tries, bytes, max_bytes, leaves, last } => {
                    let otherwise = taken(&mut filling.fixed, *bytes);
                    let found = taken(&mut filling.tries, *tries).iter().find_map(|&(place, conversion)| {
                        let (node, stays) = nodes.get_mut(place)?;
                        let value = &tree.node(*node)?.value;
                        let is_exact = match tree.only_text(value) {
                            Some(text) if *tries == 1 && conversion.looks_up() => {
                                last.make(out, text, |out| self.conversions.write(conversion, out, tree, value, *max_bytes))?
                            }
                            _ => self.conversions.write(conversion, out, tree, value, *max_bytes)?,
                        };
                        *stays &= !(is_exact && *leaves);
                        Some(())
                    });
                    if found.is_none() {
                        out.extend_from_slice(otherwise);
                    }
                    count -= 1;
                }
            }
        }
    }

    /// The field of one column.
    pub fn field<'a>(&self, out: &mut Vec<u8>, plan: &mut Plan<'a>, column: usize, tree: &Tree<'a>, nodes: &mut [(u32, bool)]) {
        let Some(&(step, tries, start)) = plan.places.get(column) else { return };
        let fixed = plan.fixed.get(start..).unwrap_or_default();
        let steps = plan.steps.get_mut(step..).unwrap_or_default();
        if let Some(Step::Fixed { .. }) = steps.first() {
            let end = plan.places.get(column + 1).map_or(plan.fixed.len(), |(.., next)| *next);
            out.extend_from_slice(plan.fixed.get(start..end).unwrap_or_default());
        } else {
            let tries = plan.tries.get(tries..).unwrap_or_default();
            self.fill(out, &mut Filling { steps: steps.iter_mut(), tries, fixed }, 1, tree, nodes);
        }
    }
}

impl<'a> Last<'a> {
    #[inline]
    fn make(
        &mut self,
        out: &mut Vec<u8>,
        text: (&'a [u8], bool),
        write: impl FnOnce(&mut Vec<u8>) -> Option<bool>,
    ) -> Option<bool> {
        if self.text == text && !self.field.is_empty() {
            out.extend_from_slice(&self.field);
            return Some(self.is_exact);
        }
        self.field.clear();
        let start = out.len();
        self.is_exact = write(out)?;
        self.text = text;
        self.field.extend_from_slice(out.get(start..).unwrap_or_default());
        Some(self.is_exact)
    }
}

/// The first so many; what is left are the others.
#[inline]
fn taken<'s, T>(from: &mut &'s [T], count: usize) -> &'s [T] {
    let (first, rest) = from.split_at_checked(count).unwrap_or_default();
    *from = rest;
    first
}

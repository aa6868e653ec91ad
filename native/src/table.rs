//! A table of the spec, compiled: what fills each column of a row, in order.

use blake2b_simd::{Params, State};

use crate::batch::Id;
use crate::field;
use crate::op::{BesideOp, SourceOp};
use crate::spec::{Faults, Table};

/// How a column is filled.
#[derive(Debug, Clone, Copy)]
pub enum Fill<Op> {
    /// By the source: that field of its `SharedFields`.
    Shared(usize),
    /// By the record; text is cut there.
    Own(Op, usize),
    /// From attributes: so many promoted columns that stand beside each other.
    Promoted(usize),
    /// Not at all.
    Null,
}

/// A table with one row per record.
pub struct RecordTable<Op> {
    /// Its place in the order of writing.
    pub place: usize,
    /// How many columns it has.
    pub columns: usize,
    /// In the order of the columns.
    pub fills: Vec<Fill<Op>>,
    shared: Vec<(SourceOp, usize)>,
}

/// What a source decides of the rows of a table.
#[derive(Debug, Clone, Default)]
pub struct SharedFields {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl SharedFields {
    /// The bytes of one field.
    #[inline]
    pub fn get(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(number).copied().unwrap_or(0);
        self.bytes.get(start..end).unwrap_or(&field::NULL)
    }

    /// Bytes of all.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

impl<Op: Copy> RecordTable<Op> {
    /// A compiled table; `parse` knows the ops of its records.
    pub fn new(table: &Table, parse: fn(&str) -> Option<Op>) -> Self {
        let mut shared = Vec::new();
        let mut fills: Vec<Fill<Op>> = Vec::new();
        for column in &table.columns {
            if !column.sources.is_empty() {
                match fills.last_mut() {
                    Some(Fill::Promoted(count)) => *count += 1,
                    _ => fills.push(Fill::Promoted(1)),
                }
            } else if let Some(op) = parse(&column.op) {
                fills.push(Fill::Own(op, column.max_bytes));
            } else if let Some(op) = SourceOp::parse(&column.op) {
                fills.push(Fill::Shared(shared.len()));
                shared.push((op, column.max_bytes));
            } else {
                fills.push(Fill::Null);
            }
        }
        RecordTable { place: table.place, columns: table.columns.len(), fills, shared }
    }

    /// The place of an op in what a source decides.
    pub fn shared_place(&self, op: SourceOp) -> Option<usize> {
        self.shared.iter().position(|(shared, _)| *shared == op)
    }

    /// What all records of a source share; `own` writes what the source decides.
    pub fn share(&self, own: impl Fn(&mut Vec<u8>, SourceOp, usize)) -> SharedFields {
        let (bytes, ends) = (Vec::with_capacity(32 * self.shared.len()), Vec::with_capacity(self.shared.len()));
        let mut fields = SharedFields { bytes, ends };
        for &(op, max_bytes) in &self.shared {
            own(&mut fields.bytes, op, max_bytes);
            fields.ends.push(fields.bytes.len());
        }
        fields
    }

    /// How many bytes a row takes beside what its record decides.
    pub fn shared_size(&self, fields: &SharedFields) -> usize {
        2 + fields.size() + 4 * (self.columns - self.shared.len())
    }

    /// Write a row; `own` writes what the record decides.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>, shared: &SharedFields, mut own: impl FnMut(&mut Vec<u8>, Op, usize)) {
        field::column_count(out, self.columns);
        for &fill in &self.fills {
            match fill {
                Fill::Shared(number) => out.extend_from_slice(shared.get(number)),
                Fill::Own(op, max_bytes) => own(out, op, max_bytes),
                Fill::Promoted(count) => (0..count).for_each(|_| field::null(out)),
                Fill::Null => field::null(out),
            }
        }
    }
}

/// A row that is named by BLAKE2b-128 over its other fields, in the making.
#[derive(Default)]
pub struct Sealed {
    id_at: usize,
    left_out: Vec<(usize, usize)>,
}

impl Sealed {
    /// The field of the id, which is known at the end.
    pub fn id(&mut self, out: &mut Vec<u8>) {
        self.id_at = out.len();
        field::raw(out, &[0; 16]);
        self.leave_out(self.id_at, out);
    }

    /// What was written since `start` is no part of the id.
    pub fn leave_out(&mut self, start: usize, out: &[u8]) {
        self.left_out.push((start, out.len()));
    }

    /// Put the id in its place: that of all fields, each with its length, without the column count.
    pub fn seal(self, out: &mut [u8]) -> Id {
        let mut hash = id_hash();
        let mut from = 2;
        for (start, end) in self.left_out {
            hash.update(out.get(from..start).unwrap_or_default());
            from = end;
        }
        hash.update(out.get(from..).unwrap_or_default());
        let id = id_of(&hash);
        if let Some(place) = out.get_mut(self.id_at + 4..self.id_at + 20) {
            place.copy_from_slice(&id);
        }
        id
    }
}

impl Sealed {
    /// Of a row that lacks one field, which is put in later `at` that place.
    pub fn split(self, out: &[u8], at: usize) -> SplitSeal {
        let mut hash = id_hash();
        let (mut from, mut after) = (2, Vec::new());
        let mut see = |start: usize, end: usize| {
            let middle = at.clamp(start, end.max(start));
            hash.update(out.get(start..middle).unwrap_or_default());
            after.extend_from_slice(out.get(middle..end).unwrap_or_default());
        };
        for (start, end) in self.left_out {
            see(from, start);
            from = end;
        }
        see(from, out.len());
        SplitSeal { hash, at, after, id_at: self.id_at }
    }
}

/// A seal on a row that lacks one field: what comes before it is hashed once for all rows.
pub struct SplitSeal {
    hash: State,
    at: usize,
    /// What is hashed after the field.
    after: Vec<u8>,
    id_at: usize,
}

impl SplitSeal {
    /// Put the id of the whole row in its place; the field ends at `end`.
    pub fn seal(&self, out: &mut [u8], end: usize) -> Id {
        let mut hash = self.hash.clone();
        hash.update(out.get(self.at..end).unwrap_or_default());
        let id = id_of(hash.update(&self.after));
        let id_at = if self.id_at < self.at { self.id_at } else { self.id_at + end - self.at };
        if let Some(place) = out.get_mut(id_at + 4..id_at + 20) {
            place.copy_from_slice(&id);
        }
        id
    }
}

/// BLAKE2b-128, from which all ids are made.
pub fn id_hash() -> State {
    Params::new().hash_length(16).to_state()
}

/// What it comes to.
pub fn id_of(hash: &State) -> Id {
    hash.finalize().as_bytes().try_into().unwrap_or_default()
}

/// A table whose rows sum up a request.
pub struct BesideTable {
    /// Its place in the order of writing.
    pub place: usize,
    /// By column: the op, and where its text is cut.
    pub columns: Vec<(BesideOp, usize)>,
}

impl BesideTable {
    /// A compiled table.
    pub fn new(table: &Table) -> Result<Self, Faults> {
        let op = |name: &str, op: &str| {
            BesideOp::parse(op).ok_or_else(|| vec![format!("column {}.{name}: {op} does not sum up a request", table.name)])
        };
        let columns = table.columns.iter().map(|column| Ok((op(&column.name, &column.op)?, column.max_bytes)));
        Ok(BesideTable { place: table.place, columns: columns.collect::<Result<_, Faults>>()? })
    }

    /// Write a row.
    pub fn write(&self, out: &mut Vec<u8>, mut value: impl FnMut(&mut Vec<u8>, BesideOp, usize)) {
        field::column_count(out, self.columns.len());
        for &(op, max_bytes) in &self.columns {
            value(out, op, max_bytes);
        }
    }
}

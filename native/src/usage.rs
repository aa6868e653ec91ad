//! `llm.usage_role`: what one span says by itself about who pays for the tokens it reports. The order of the rules is said in the
//! reference's `usage.py`.

use std::collections::HashMap;

use crate::field;
use crate::key::Keys;
use crate::spec::{Faults, Spec, Table};

/// The roles of the spans of one table.
pub struct Roles {
    not_calls: Keys<()>,
    marked: String,
    operation: usize,
    usage: Vec<usize>,
    operations: Keys<&'static str>,
}

impl Roles {
    /// Those of a spec; columns are known by their number among the promoted ones.
    pub fn new(spec: &Spec, table: &Table) -> Result<Self, Faults> {
        let promoted: Vec<&str> =
            table.columns.iter().filter(|column| !column.sources.is_empty()).map(|column| column.name.as_str()).collect();
        let number = |name: &String| {
            let missing = || vec![format!("the table spec has no promoted column {}.{name}", table.name)];
            promoted.iter().position(|column| *column == name.as_str()).ok_or_else(missing)
        };
        let mut operations: HashMap<String, &str> = HashMap::new();
        operations.extend(spec.texts(&["llm", "rollup_operations"]).into_iter().map(|name| (name, "rollup")));
        operations.extend(spec.texts(&["llm", "call_operations"]).into_iter().map(|name| (name, "call")));
        Ok(Roles {
            not_calls: Keys::set(spec.texts(&["llm", "non_call_span_names"])),
            marked: spec.texts(&["llm", "carrier_mark"]).pop().unwrap_or_default(),
            operation: number(&spec.text(&["llm", "operation_column"]))?,
            usage: spec.texts(&["llm", "usage_columns"]).iter().map(number).collect::<Result<_, _>>()?,
            operations: Keys::new(operations.into_iter().collect()),
        })
    }

    /// The role of a span; `mark` is the text of the mark of usage carriers, `write` appends promoted columns.
    pub fn role(
        &self,
        name: &[u8],
        mark: Option<&[u8]>,
        room: &mut Vec<u8>,
        mut write: impl FnMut(&mut Vec<u8>, usize),
    ) -> &'static str {
        if self.not_calls.has(name) {
            return "none";
        }
        if mark == Some(self.marked.as_bytes()) {
            let has_usage = self.usage.iter().any(|&column| {
                room.clear();
                write(room, column);
                **room != field::NULL
            });
            return if has_usage { "carrier" } else { "none" };
        }
        room.clear();
        write(room, self.operation);
        self.operations.find(room.get(4..).unwrap_or_default()).copied().unwrap_or("none")
    }
}

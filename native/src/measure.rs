//! How much a record, resource, scope or metric would become, counted before it is parsed. Iterative; it stops as soon as a
//! limit is passed. What is small is not looked at: it cannot pass one.

use crate::counts::{ROW_TOO_LARGE, Rule, TOO_MANY_VALUES};
use crate::cursor::DEPTH_MAX;
use crate::limits::Limits;
use crate::schema::{Field, Holds, Schema};
use crate::wire::{self, Malformed};

/// The rule that the message `data` breaks by its size. Err when it is none that can be parsed.
pub fn exceeded(data: &[u8], root: &'static Schema, limits: &Limits) -> Result<Option<Rule>, Malformed> {
    if data.len() as u64 <= limits.counted_from_bytes {
        return Ok(None);
    }
    measured(data, root, limits)
}

#[cold]
fn measured(data: &[u8], root: &'static Schema, limits: &Limits) -> Result<Option<Rule>, Malformed> {
    let strings = data.len() as u64 > limits.measured_from_bytes();
    let (mut size, mut values, mut visited) = (0u64, 0u64, 0u64);
    let mut stack = vec![(wire::fields(data), root)];
    while let Some((level, schema)) = stack.last_mut() {
        let Some(found) = level.next() else {
            stack.pop();
            continue;
        };
        let found = found?;
        let field = schema.0.iter().find(|field| field.tag == found.tag);
        values += field.map_or(0, |field| values_in(field, found.value));
        if values > limits.values_max || visited > limits.fields_max() {
            return Ok(Some(TOO_MANY_VALUES));
        }
        visited += 1;
        if strings && let Some(field) = field {
            size += rendered(found.value, field.holds);
        }
        if size + values * limits.value_bytes > limits.row_max_bytes {
            return Ok(Some(ROW_TOO_LARGE));
        }
        if let Some(Field { holds: Holds::Message(inner), .. }) = field
            && !found.value.is_empty()
        {
            stack.push((wire::fields(found.value), inner));
            if stack.len() - 1 > DEPTH_MAX as usize {
                return Err(Malformed("messages nest too deeply"));
            }
        }
    }
    Ok(None)
}

fn values_in(field: &Field, data: &[u8]) -> u64 {
    match field.holds {
        Holds::PackedVarints => data.iter().filter(|&&byte| byte < 0x80).count() as u64,
        Holds::PackedFixed64 => data.len() as u64 / 8,
        _ => field.values,
    }
}

/// Bytes of a row that a string or bytes become.
fn rendered(data: &[u8], holds: Holds) -> u64 {
    let size = data.len() as u64;
    let times = |among: fn(u8) -> bool| data.iter().filter(|&&byte| among(byte)).count() as u64;
    let nuls = || 2 * times(|byte| byte == 0);
    let two = |byte: u8| matches!(byte, b'"' | b'\\' | 0x08 | 0x0c | b'\n' | b'\r' | b'\t');
    match holds {
        Holds::Bytes => size * 4 / 3,
        Holds::Column => size + nuls(),
        Holds::Text => {
            let six = times(|byte| byte < 0x20 && !matches!(byte, 0 | 0x08 | 0x0c | b'\n' | b'\r' | b'\t'));
            size + nuls() + times(two) + 5 * six
        }
        _ => 0,
    }
}

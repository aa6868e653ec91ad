//! Whatever bytes come, the codec answers: it never panics, overflows or runs away. libFuzzer chooses the bytes by what of the
//! codec they reach.
//!
//! The first byte of an input says which signal and how much content is kept, the rest is the request. `tests/golden/fuzz.py`
//! has the inputs to begin with; the contract tests hold both codecs to the same answer for each.
#![no_main]

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use llm_observatory_codec::accepted::Terms;
use llm_observatory_codec::program::{Program, Request, Signal};
use llm_observatory_codec::wire;

const NOW: i64 = 1_760_000_000_000_000;
const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Metrics, Signal::Logs];
const CONTENT_BYTES: [usize; 3] = [1 << 20, 0, 40];
/// How deep the mutator looks for a message to change.
const DEPTH_MAX: u32 = 12;

/// The spec as the tables render it: it is written nowhere else.
static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/python");
    let printed = Command::new(python).args(["-c", "from llm_observatory import tables; print(tables.SPEC)"]).output();
    let spec = String::from_utf8(printed.expect("the Python of .venv (make setup)").stdout).expect("UTF-8");
    Program::new(&spec).expect("the spec is one that this codec runs")
});

fuzz_target!(|data: &[u8]| {
    let Some((&chosen, payload)) = data.split_first() else { return };
    let chosen = usize::from(chosen);
    let signal = SIGNALS[chosen % 3];
    let terms = Terms { max_age_us: None, max_ahead_us: i64::MAX, content_max_bytes: CONTENT_BYTES[chosen / 3 % 3] };
    let _ = PROGRAM.encode(&Request { signal, tenant: "default", payload, digest: &[0; 16], now: NOW, terms });
    let _ = Program::count_items(signal, payload, 100);
    let _ = Program::is_light(signal, payload, 100);
});

/// A varint.
fn varint(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The message with one of its fields changed, or a field of one of those; lengths around it follow. None when it has no fields.
fn changed(message: &[u8], seed: u32, depth: u32) -> Option<Vec<u8>> {
    let held: Vec<wire::Field<'_>> = wire::fields(message).map_while(Result::ok).collect();
    let held: Vec<_> = held.into_iter().filter(|field| u64::from(field.tag & 7) == wire::LENGTH_DELIMITED).collect();
    let field = held.get(seed as usize % held.len().max(1))?;
    let seed = seed.rotate_right(5).wrapping_mul(0x9e37_79b9);
    let inner = if depth > 0 && seed & 7 != 0 { changed(field.value, seed, depth - 1) } else { None };
    let inner = inner.unwrap_or_else(|| {
        let mut value = field.value.to_vec();
        let size = value.len();
        value.resize(size + 16, 0);
        let size = fuzzer_mutate(&mut value, size, size + 16);
        value.truncate(size);
        value
    });
    let mut out = message[..field.start].to_vec();
    varint(field.tag as usize, &mut out);
    varint(inner.len(), &mut out);
    out.extend_from_slice(&inner);
    out.extend_from_slice(&message[field.end..]);
    Some(out)
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    // Every fourth time lengths are not looked after.
    if seed % 4 > 0 && size > 1 {
        let (first, payload) = (data[0], &data[1..size]);
        if let Some(made) = changed(payload, seed / 4, DEPTH_MAX).filter(|made| made.len() < max_size) {
            data[0] = first;
            data[1..=made.len()].copy_from_slice(&made);
            return made.len() + 1;
        }
    }
    fuzzer_mutate(data, size, max_size)
});

//! Whatever bytes come, the codec answers: it never panics and stays within time. Requests of the golden corpus and of the fuzzer's, changed at random,
//! always the same ones; `MUTATIONS=1000000` asks for more of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_observatory_codec::accepted::Terms;
use llm_observatory_codec::program::{Program, Request, Signal};

const NOW: i64 = 1_760_000_000_000_000;

/// The spec as the tables render it: it is written nowhere else.
fn spec() -> String {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    let printed = Command::new(python).args(["-c", "from llm_observatory import tables; print(tables.SPEC)"]).output();
    String::from_utf8(printed.expect("the Python of .venv (make setup)").stdout).expect("UTF-8")
}

fn corpus() -> Vec<(Signal, Vec<u8>)> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let mut found = Vec::new();
    for name in ["traces", "metrics", "logs"] {
        let mut paths: Vec<_> =
            fs::read_dir(golden.join(name)).expect("the corpus").map(|entry| entry.expect("a file").path()).collect();
        paths.sort();
        for path in paths {
            let case: serde_json::Value = serde_json::from_slice(&fs::read(path).expect("readable")).expect("JSON");
            let request = STANDARD.decode(case["request"].as_str().expect("a request")).expect("base64");
            found.push((Signal::parse(name).expect("a signal"), request));
        }
    }
    // What the fuzzer kept: `tests/golden/fuzz.py` says what the first byte is.
    let kept = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus.txt")).expect("the kept corpus");
    for line in kept.split_whitespace() {
        let mut request = STANDARD.decode(line).expect("base64");
        let signal = [Signal::Traces, Signal::Metrics, Signal::Logs][usize::from(request.remove(0)) % 3];
        found.push((signal, request));
    }
    found
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, size: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((value ^ (value >> 31)) % size.max(1) as u64) as usize
    }
}

fn mutate(data: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(data.len());
        let end = (at + random.below(16)).min(data.len());
        match random.below(5) {
            0 if !data.is_empty() => data[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            1 if !data.is_empty() => data[at] ^= 1 << random.below(8),
            2 => drop(data.drain(at..end)),
            3 => {
                let again: Vec<u8> = data[at..end].to_vec();
                data.splice(at..at, again);
            }
            _ => data.truncate(end.max(1)),
        }
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let program = Program::new(&spec()).expect("the spec is one that this codec runs");
    let (corpus, mut random) = (corpus(), Random(20_261_128));
    let times = std::env::var("MUTATIONS").ok().and_then(|times| times.parse().ok()).unwrap_or(20_000);
    let mut accepted = 0;
    for _ in 0..times {
        let (signal, mut payload) = corpus[random.below(corpus.len())].clone();
        mutate(&mut payload, &mut random);
        let terms = Terms { max_age_us: None, max_ahead_us: i64::MAX, content_max_bytes: random.below(3) * 20 };
        let request = Request { signal, tenant: "default", payload: &payload, digest: &[0; 16], now: NOW, terms };
        accepted += program.encode(&request).map_or(0, |batch| batch.accepted);
        let _ = Program::count_items(signal, &payload, 100);
        let _ = Program::is_light(signal, &payload, 100);
    }
    assert!(accepted > times / 20, "most mutants are refused at once: they say little");
}

#[test]
fn a_spec_that_is_none_is_refused_in_words() {
    for (spec, words) in [("", "no JSON"), ("{}", "version 0"), ("{\"version\":3}", "does not declare")] {
        let faults = Program::new(spec).err().expect("refused");
        assert!(faults.iter().any(|fault| fault.contains(words)), "{faults:?}");
    }
}

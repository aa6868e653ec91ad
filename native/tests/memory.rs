//! What is remembered of the keys of a request stays within its limits, and says of no record that it has another one's keys.
#![allow(missing_docs)]

use std::collections::HashMap;

use llm_observatory_codec::memory::{BRANCHES_MAX, KEYS_MAX, Memory, SHAPES_MAX, Shape};

/// KeyValues with the value 1.
fn record(keys: &[String]) -> Vec<Vec<u8>> {
    keys.iter().map(|key| [&[0x0a, key.len() as u8], key.as_bytes(), &[0x12, 2, 0x18, 1]].concat()).collect()
}

fn read<'a>(memory: &mut Memory<'a>, record: &'a [Vec<u8>]) -> Option<Shape> {
    memory.begin();
    for data in record {
        match memory.recall(data) {
            Some((at, rest)) => {
                assert_eq!(rest, [2, 0x18, 1]);
                assert_eq!(Some(memory.step(at).0), data.get(2..data.len() - 4));
            }
            None => memory.remember(data, &data[2..data.len() - 4], 0, true),
        }
    }
    memory.shape().or_else(|| memory.name(true))
}

/// Every record twice, all of them again and again: those of one shape have the same keys.
fn hold(kinds: &[Vec<String>]) -> usize {
    let records: Vec<Vec<Vec<u8>>> = kinds.iter().map(|keys| record(keys)).collect();
    let (mut memory, mut known, mut again) = (Memory::default(), HashMap::new(), 0);
    for (number, record) in (0..3).flat_map(|_| records.iter().enumerate()).flat_map(|each| [each, each]) {
        if let Some(shape) = read(&mut memory, record) {
            again += usize::from(known.contains_key(&shape));
            assert_eq!(*known.entry(shape).or_insert(number), number);
        }
        let (keys, shapes) = memory.size();
        assert!(keys <= KEYS_MAX && shapes <= SHAPES_MAX as usize);
    }
    again
}

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn few_kinds_are_found_again() {
    let kinds = [keys(&[]), keys(&["a"]), keys(&["a", "b"]), keys(&["b", "a"]), keys(&["a", "c"])];
    assert_eq!(hold(&kinds), kinds.len() * 5);
}

#[test]
fn more_shapes_than_are_numbered() {
    let kinds: Vec<Vec<String>> =
        (0..2 * SHAPES_MAX).map(|bits| (0..9).filter(|at| bits >> at & 1 == 1).map(|at| format!("k{at}")).collect()).collect();
    assert!(hold(&kinds) >= kinds.len());
}

#[test]
fn more_keys_than_may_come_after_the_same_ones() {
    let kinds: Vec<Vec<String>> = (0..3 * BRANCHES_MAX).map(|last| vec!["a".to_owned(), format!("k{last}")]).collect();
    assert!(hold(&kinds) >= kinds.len());
}

#[test]
fn more_keys_than_are_remembered() {
    let kinds: Vec<Vec<String>> =
        [KEYS_MAX - 1, KEYS_MAX, 1, KEYS_MAX + 9].map(|count| (0..count).map(|key| format!("k{key}")).collect()).to_vec();
    hold(&kinds);
}

//! Columns of transactions, from any bytes: see `readers::columns`.
#![no_main]

#[expect(dead_code, reason = "a target is one of the readers")]
#[path = "../readers.rs"]
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::columns(bytes));

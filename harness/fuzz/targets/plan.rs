//! Plans from any bytes: see `readers::plan`.
#![no_main]

#[expect(dead_code, reason = "a target is one of the readers")]
#[path = "../readers.rs"]
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::plan(bytes));

//! See `logrbd::fuzzing::crush_map`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::crush_map(data);
});

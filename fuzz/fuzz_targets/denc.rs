//! See `logrbd::fuzzing::denc`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::denc(data);
});

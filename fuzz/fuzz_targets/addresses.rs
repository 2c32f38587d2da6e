//! See `logrbd::fuzzing::addresses`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::addresses(data);
});

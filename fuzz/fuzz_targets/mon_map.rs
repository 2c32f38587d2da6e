//! See `logrbd::fuzzing::mon_map`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::mon_map(data);
});

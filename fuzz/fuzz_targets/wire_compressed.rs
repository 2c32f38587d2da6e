//! See `logrbd::fuzzing::wire_compressed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::wire_compressed(data);
});

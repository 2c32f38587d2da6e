//! See `logrbd::fuzzing::wire_connection`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::wire_connection(data);
});

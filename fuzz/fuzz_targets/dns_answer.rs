//! See `logrbd::fuzzing::dns_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::dns_answer(data);
});

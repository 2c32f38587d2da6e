//! See `logrbd::fuzzing::keyring`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::keyring(data);
});

//! See `logrbd::fuzzing::cls_lock`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::cls_lock(data);
});

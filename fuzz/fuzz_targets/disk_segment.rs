//! See `logrbd::fuzzing::disk_segment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::disk_segment(data);
});

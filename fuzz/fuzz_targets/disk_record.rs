//! See `logrbd::fuzzing::disk_record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::disk_record(data);
});

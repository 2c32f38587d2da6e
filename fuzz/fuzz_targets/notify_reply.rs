//! See `logrbd::fuzzing::notify_reply`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::notify_reply(data);
});

//! Notes come from anyone: reading them must never panic, and each has one spelling.
#![no_main]

use libfuzzer_sys::fuzz_target;
use timestamp::checkpoint::Checkpoint;
use timestamp::note::Note;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.to_text().as_deref(), Ok(text));
    }
});

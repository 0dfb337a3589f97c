//! Bytes from the pipe: whatever comes, and however it is cut, the decoder gives messages or an
//! error, and what it gives can be sent again.

#![no_main]

use inference::{
    frame::{self, Decoder},
    protocol::{Command, Event},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], u8)| {
    let (bytes, cut_bytes) = input;
    let mut commands = Decoder::default();
    let mut events = Decoder::default();
    for piece in bytes.chunks(usize::from(cut_bytes) + 1) {
        commands.push(piece);
        while let Ok(Some(command)) = commands.next_message::<Command>() {
            assert!(frame::encode(&command).is_ok());
        }
        events.push(piece);
        while let Ok(Some(event)) = events.next_message::<Event>() {
            assert!(frame::encode(&event).is_ok());
        }
    }
});

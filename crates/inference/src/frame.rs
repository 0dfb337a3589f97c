//! Frames on the pipe between the two processes: a length (`u32`, little endian) and that many
//! bytes of JSON.
//!
//! The decoder does no I/O: it is given bytes as they arrive and gives back whole frames, so the
//! blocking child and the asynchronous parent share it, and a fuzzer can drive it.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Result};

/// The largest frame that either side accepts.
pub const MAX_FRAME_BYTES: usize = 4 << 20;

const HEADER_BYTES: usize = 4;

/// Turns a message into the bytes to send.
///
/// # Errors
/// [`Error::RequestTooLarge`] if it would be longer than [`MAX_FRAME_BYTES`].
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; HEADER_BYTES];
    serde_json::to_writer(&mut bytes, message).map_err(Error::protocol)?;
    let body_bytes = bytes.len() - HEADER_BYTES;
    let too_large = Error::RequestTooLarge {
        limit_bytes: MAX_FRAME_BYTES,
    };
    if body_bytes > MAX_FRAME_BYTES {
        return Err(too_large);
    }
    let header = u32::try_from(body_bytes).map_err(|_| too_large)?;
    bytes[..HEADER_BYTES].copy_from_slice(&header.to_le_bytes());
    Ok(bytes)
}

/// Collects bytes and cuts them into messages.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    consumed: usize,
}

impl Decoder {
    /// Takes in bytes as they came from the pipe.
    pub fn push(&mut self, bytes: &[u8]) {
        // Moving the rest to the front once per read keeps the buffer as short as one frame.
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, or `None` until more bytes arrive.
    ///
    /// # Errors
    /// [`Error::ProtocolError`] if the peer announces too large a frame, or sends something that
    /// isn't a message. There is no way to find the next frame after that: hang up.
    pub fn next_message<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let rest = &self.buffer[self.consumed..];
        let Some((header, rest)) = rest.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let body_bytes = usize::try_from(u32::from_le_bytes(*header)).unwrap_or(usize::MAX);
        if body_bytes > MAX_FRAME_BYTES {
            return Err(Error::protocol(format!(
                "a frame of {body_bytes} bytes, more than {MAX_FRAME_BYTES}"
            )));
        }
        let Some(body) = rest.get(..body_bytes) else {
            return Ok(None);
        };
        let message = serde_json::from_slice(body).map_err(Error::protocol)?;
        self.consumed += HEADER_BYTES + body_bytes;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_announced_giant_is_refused_before_it_is_sent() {
        let mut decoder = Decoder::default();
        let header = u32::try_from(MAX_FRAME_BYTES + 1).unwrap().to_le_bytes();
        decoder.push(&header);
        let error = decoder.next_message::<String>().unwrap_err();
        assert_eq!(error.code(), "protocol_error");
    }

    #[test]
    fn garbage_is_refused() {
        let mut decoder = Decoder::default();
        decoder.push(&[3, 0, 0, 0, b'{', 0xff, b'}']);
        assert!(decoder.next_message::<String>().is_err());
    }

    #[test]
    fn a_message_beyond_the_limit_is_not_sent() {
        let error = encode(&"x".repeat(MAX_FRAME_BYTES)).unwrap_err();
        assert_eq!(error.code(), "request_too_large");
        assert!(encode(&"x".repeat(MAX_FRAME_BYTES - 2)).is_ok());
    }

    #[test]
    fn half_a_frame_is_no_frame() {
        let mut decoder = Decoder::default();
        let bytes = encode(&"hello").unwrap();
        decoder.push(&bytes[..6]);
        assert_eq!(decoder.next_message::<String>(), Ok(None));
        decoder.push(&bytes[6..]);
        assert_eq!(decoder.next_message(), Ok(Some("hello".to_owned())));
    }

    proptest! {
        #[test]
        fn any_messages_survive_any_cutting(
            messages in prop::collection::vec(".{0,40}", 0..8),
            cut_bytes in 1usize..50,
        ) {
            let mut stream = Vec::new();
            for message in &messages {
                stream.extend(encode(message).unwrap());
            }
            let mut decoder = Decoder::default();
            let mut received = Vec::<String>::new();
            for piece in stream.chunks(cut_bytes) {
                decoder.push(piece);
                while let Some(message) = decoder.next_message().unwrap() {
                    received.push(message);
                }
            }
            prop_assert_eq!(received, messages);
        }

        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next_message::<serde_json::Value>() {}
        }
    }
}

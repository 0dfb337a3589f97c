//! Bodies from the network: a request that is accepted is within its bounds, and is the same after
//! it went over the pipe.

#![no_main]

use inference::openai::{ChatRequest, MAX_MESSAGES, MAX_STOP_STRINGS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(request) = ChatRequest::from_json(body) else {
        return;
    };
    assert!(request.messages.len() <= MAX_MESSAGES);
    assert!(request.stop.len() <= MAX_STOP_STRINGS);
    let sent = serde_json::to_vec(&request).expect("a request is JSON");
    assert_eq!(ChatRequest::from_json(&sent).expect("it was accepted"), request);
});

//! Any JSON-RPC message, from either side: what can be read can be sent on.
#![no_main]

use http402::mcp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else {
        return;
    };
    _ = mcp::receipt(&value);
    _ = mcp::www_authenticate(&value);
    assert_eq!(mcp::credential(&mcp::without_credential(value.clone())), Ok(None));
    for challenge in mcp::challenges(&value) {
        let error = mcp::refused(&[challenge.clone()], "preimage_invalid", "");
        if let Ok(error) = error {
            assert_eq!(mcp::challenges(&error), [challenge]);
        }
    }
    let Ok(Some(credential)) = mcp::credential(&value) else {
        return;
    };
    if let Ok(params) = mcp::with_credential(serde_json::json!({}), &credential) {
        let again = mcp::credential(&serde_json::json!({ "params": params }));
        assert_eq!(again.as_ref().map(Option::as_ref), Ok(Some(&credential)));
    }
});

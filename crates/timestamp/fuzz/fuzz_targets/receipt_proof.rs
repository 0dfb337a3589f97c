//! Proofs come from anyone: reading and checking them must never panic, and what was read must
//! survive being written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use timestamp::proof::ReceiptProof;

fuzz_target!(|bytes: &[u8]| {
    let Ok(proof) = ReceiptProof::from_json(bytes) else {
        return;
    };
    let _ = proof.verify(None);
    // Indenting may take a proof that just fits over the limit.
    if let Ok(json) = proof.to_json() {
        let again = ReceiptProof::from_json(json.as_bytes()).expect("what was written is read");
        assert_eq!(again.signed_receipt, proof.signed_receipt);
        assert_eq!(again.log, proof.log);
    }
});

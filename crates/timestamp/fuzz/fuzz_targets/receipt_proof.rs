//! Proofs come from anyone: reading and checking them must never panic, and what was read must
//! survive being written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use timestamp::ots::DetachedProof;
use timestamp::proof::ReceiptProof;

fuzz_target!(|bytes: &[u8]| {
    let Ok(proof) = ReceiptProof::from_json(bytes) else {
        return;
    };
    let _ = proof.verify(None);
    // What is made for other programs must be readable for them, whether the proof holds or not.
    if let Ok((statement, ots)) = proof.to_ots() {
        let file = ots.to_bytes().expect("it was found writable");
        assert_eq!(DetachedProof::from_bytes(&file).as_ref(), Ok(&ots));
        assert_eq!(ots.digest(), timestamp::Hash::of(statement.as_bytes()).0);
    }
    // Indenting may take a proof that just fits over the limit.
    if let Ok(json) = proof.to_json() {
        let again = ReceiptProof::from_json(json.as_bytes()).expect("what was written is read");
        assert_eq!(again, proof);
    }
});

//! Whoever holds a purse's token can add caveats: reading them must never panic, and what is understood must be
//! written as it was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wallet::purse::{Delegation, Narrowing};

fuzz_target!(|text: &str| {
    let caveats: Vec<&str> = text.lines().collect();
    if Delegation::new(b"root", &caveats).is_ok() {
        let read = |caveat: &&str| Narrowing::parse(caveat).unwrap();
        let whole = caveats.iter().map(read).fold(Narrowing::default(), Narrowing::and);
        let written = whole.caveats();
        let again = written.iter().map(|caveat| Narrowing::parse(caveat).unwrap());
        assert_eq!(again.fold(Narrowing::default(), Narrowing::and), whole);
    }
});

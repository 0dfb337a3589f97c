//! Any `WWW-Authenticate` value: what is read can be written and read again, and
//! no offer in it puts more into a header than one line.
#![no_main]

use http402::l402::{ClientStep, next_step};
use http402::www_authenticate::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(ClientStep::Pay(offer)) = next_step(402, [("www-authenticate", text)])
        && let Ok(value) = offer.authorization(&[0; 32])
    {
        assert!(value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
    }
    let Ok(list) = parse(text) else {
        return;
    };
    let values: Vec<String> = list.iter().flat_map(|c| c.to_value()).collect();
    assert_eq!(values.len(), list.len());
    // Escaping may take the text over the bound.
    if let Ok(again) = parse(&values.join(", ")) {
        assert_eq!(again, list);
    }
});

//! Any site file: what is accepted can be asked anything, and what isn't is refused at a line that exists.
#![no_main]

use energy::Error;
use energy::site::Site;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| match Site::parse(text) {
    Ok(site) => {
        assert!(site.miners_kw_max().is_finite() && site.firm_kw(23).is_finite());
        for celsius in -50..60 {
            assert!(site.cooling.pue_at(f64::from(celsius)) >= 1.0);
        }
    }
    Err(Error::SiteValue { line, .. }) =>
        assert!(line >= 1 && line <= text.lines().count().max(1) + 1),
    Err(_) => {}
});

//! What comes from beyond the site, or from its devices: prices, calls of the grid, announcements of plugs, records.
#![no_main]

use energy::Timestamp;
use energy::drivers::{PlugTopics, PriceShape, hourly, parse_events, parse_prices};
use energy::evidence::Evidence;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let shapes = [
        PriceShape::EnergyCharts,
        PriceShape::Awattar,
        PriceShape::Octopus,
        PriceShape::Ercot {
            settlement_point: "HB_HUBAVG".into(),
        },
    ];
    for shape in shapes {
        if let Ok(spans) = parse_prices(&shape, text) {
            assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start));
            assert!(spans.iter().all(|span| span.start < span.end && span.per_kwh.is_finite()));
            _ = hourly(&spans, 1.0);
        }
    }
    if let Ok(events) = parse_events(text, Timestamp::UNIX_EPOCH) {
        assert!(events.iter().all(|event| event.end.is_none_or(|end| event.start <= end)));
    }
    let (switch, sensor) = text.split_at(text.floor_char_boundary(text.len() / 2));
    if let Ok(topics) = PlugTopics::from_discovery(switch, sensor) {
        assert!(!topics.command.is_empty() && !topics.power.contains(['#', '+']));
    }
    if let Ok(evidence) = Evidence::from_bytes(text.as_bytes()) {
        assert_eq!(evidence.to_bytes(), text.as_bytes());
    }
});

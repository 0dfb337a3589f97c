//! Bytes from outside: any text is read or refused, and never breaks anything.

use energy::drivers::{PlugTopics, PriceShape, hourly, parse_events, parse_prices};
use energy::evidence::Evidence;
use energy::market::{daily_table, read_prices};
use energy::site::Site;
use energy::weather::TypicalYear;
use energy::{TimeZone, Timestamp};
use proptest::prelude::*;

const SITE: &str = include_str!("../../../../examples/mining-site.toml");

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_answered(text in ".{0,400}") {
        let _ = Site::parse(&text);
        let _ = read_prices(&text, &TimeZone::UTC);
        let _ = daily_table(&text, 1);
        let _ = TypicalYear::read_tmy3(&text);
    }

    #[test]
    fn rows_of_nonsense_are_answered(rows in prop::collection::vec("[0-9T: ,.eN+a-]{0,40}", 0..40)) {
        let _ = read_prices(&format!("time,price\n{}", rows.join("\n")), &TimeZone::get("Europe/Berlin").unwrap());
    }

    #[test]
    fn a_site_with_any_number_is_read_or_refused_at_its_line(
        line in 0..SITE.lines().count(),
        number in prop_oneof![
            Just("nan".to_owned()), Just("inf".to_owned()), Just("-1".to_owned()), Just("1e308".to_owned()),
            (-1e9..1e9_f64).prop_map(|number| number.to_string()),
        ],
    ) {
        let changed: Vec<String> = SITE.lines().enumerate().map(|(i, text)| match text.split_once(" = ") {
            Some((name, _)) if i == line => format!("{name} = {number}"),
            _ => text.to_owned(),
        }).collect();
        if let Err(energy::Error::SiteValue { line: said, field, why }) = Site::parse(&changed.join("\n")) {
            // A number that is fine by itself may be too much for another one that is named instead.
            prop_assert!(said >= 1 && said <= changed.len(), "{field} {why}");
        }
    }
}

#[test]
fn prices_of_a_century_are_refused() {
    let rows = "time,price\n1900-01-01T00:00:00Z,1\n2100-01-01T00:00:00Z,1\n";
    assert_eq!(
        read_prices(rows, &TimeZone::UTC).unwrap_err().code(),
        "table"
    );
}

/// JSON as a publisher, a VTN or a plug writes it, with something in it changed.
fn nearly_right() -> impl Strategy<Value = String> {
    let samples = [
        r#"{"unix_seconds":[0,3600],"price":[1.5,null]}"#,
        r#"{"data":[{"start_timestamp":0,"end_timestamp":3600000,"marketprice":42.0}]}"#,
        r#"{"results":[{"value_inc_vat":20.1,"valid_from":"2024-01-01T00:00:00Z","valid_to":null}]}"#,
        r#"{"fields":[{"name":"deliveryDate"},{"name":"hourEnding"},{"name":"settlementPoint"},{"name":"settlementPointPrice"}],"data":[["2024-01-01","24:00","HB_HUBAVG",12.5]]}"#,
        r#"[{"id":"a","programID":"p","intervalPeriod":{"start":"2024-01-01T00:00:00Z","duration":"P1DT1H"},"intervals":[{"payloads":[{"type":"SIMPLE","values":[1]}]}]}]"#,
        r#"{"cmd_t":"a/b","stat_t":"~/c","~":"d","val_tpl":"{{ value_json.x }}"}"#,
    ];
    let sample = prop::sample::select(samples.to_vec());
    (
        sample,
        any::<prop::sample::Index>(),
        "[-0-9e\"{}\\[\\],:a-zT]{0,6}",
        0..4_usize,
    )
        .prop_map(|(sample, at, put, cut)| {
            let mut text = sample.to_owned();
            let at = at.index(text.len());
            let end = (at + cut).min(text.len());
            text.replace_range(at..end, &put);
            text
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever a publisher, a VTN or a plug sends: an error, or something that holds together.
    #[test]
    fn what_comes_from_outside_is_refused_or_holds_together(text in prop_oneof![nearly_right(), any::<String>()]) {
        let ercot = PriceShape::Ercot { settlement_point: "HB_HUBAVG".into() };
        for shape in [PriceShape::EnergyCharts, PriceShape::Awattar, PriceShape::Octopus, ercot] {
            if let Ok(spans) = parse_prices(&shape, &text) {
                prop_assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start));
                prop_assert!(spans.iter().all(|span| span.per_kwh.is_finite()));
                _ = hourly(&spans, 1.0);
            }
        }
        if let Ok(events) = parse_events(&text, Timestamp::UNIX_EPOCH) {
            prop_assert!(events.iter().all(|event| event.end.is_none_or(|end| event.start <= end)));
        }
        _ = PlugTopics::from_discovery(&text, &text);
        if let Ok(evidence) = Evidence::from_bytes(text.as_bytes()) {
            prop_assert_eq!(evidence.to_bytes(), text.as_bytes());
        }
    }
}

//! Feeds of prices, as each publisher writes them.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::drivers::{PriceShape, PriceSpan};

/// The answer of a publisher with these prices, as JSON.
pub fn price_feed(shape: &PriceShape, spans: &[PriceSpan]) -> String {
    let feed = match shape {
        PriceShape::EnergyCharts => json!({
            "license_info": "simulated",
            "unix_seconds": spans.iter().map(|span| span.start.as_second()).collect::<Vec<_>>(),
            "price": spans.iter().map(|span| span.per_kwh * 1000.0).collect::<Vec<_>>(),
            "unit": "EUR / MWh",
            "deprecated": false,
        }),
        PriceShape::Awattar => json!({
            "object": "list",
            "data": spans.iter().map(|span| json!({
                "start_timestamp": span.start.as_millisecond(),
                "end_timestamp": span.end.as_millisecond(),
                "marketprice": span.per_kwh * 1000.0,
                "unit": "Eur/MWh",
            })).collect::<Vec<_>>(),
        }),
        PriceShape::Octopus => json!({
            "count": spans.len(),
            "next": null,
            "previous": null,
            "results": spans.iter().rev().map(|span| json!({
                "value_exc_vat": span.per_kwh * 100.0 / 1.05,
                "value_inc_vat": span.per_kwh * 100.0,
                "valid_from": span.start.to_string(),
                "valid_to": span.end.to_string(),
                "payment_method": null,
            })).collect::<Vec<_>>(),
        }),
        PriceShape::Ercot { settlement_point } => ercot(settlement_point, spans),
    };
    feed.to_string()
}

fn ercot(settlement_point: &str, spans: &[PriceSpan]) -> Value {
    let zone = TimeZone::get("America/Chicago").unwrap_or(TimeZone::UTC);
    let mut before = None;
    let rows: Vec<Value> = spans
        .iter()
        .map(|span| {
            let local = zone.to_datetime(span.start);
            let is_repeated = before.replace(local) == Some(local);
            json!([
                local.date().to_string(),
                format!("{:02}:00", local.hour() + 1),
                settlement_point,
                span.per_kwh * 1000.0,
                is_repeated,
            ])
        })
        .collect();
    let field = |name: &str, kind: &str| json!({ "name": name, "dataType": kind });
    json!({
        "_meta": { "totalRecords": spans.len(), "currentPage": 1 },
        "fields": [
            field("deliveryDate", "DATE"),
            field("hourEnding", "VARCHAR"),
            field("settlementPoint", "VARCHAR"),
            field("settlementPointPrice", "DOUBLE"),
            field("DSTFlag", "BOOLEAN"),
        ],
        "data": rows,
    })
}

//! From text to a checked [`Site`], with errors that point at the line.

use toml::de::{DeTable, DeValue};

use super::{FILE_BYTES_MAX, Firmware, Site, check, model};
use crate::{Error, Result};

/// One field of the path to a value: `miners`, then `[0]`, then `units`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A table's field.
    Name(&'static str),
    /// The place in a list.
    Index(usize),
}

/// What is wrong with one field.
#[derive(Debug)]
pub(super) struct Fault {
    pub path: Vec<Key>,
    pub why: String,
}

pub(super) fn parse(text: &str) -> Result<Site> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Error::TooLarge {
            what: "the site file, in bytes,",
            max: FILE_BYTES_MAX,
        });
    }
    let mut site: Site = toml::from_str(text).map_err(|error| Error::SiteSyntax {
        why: error.to_string(),
    })?;
    look_up_models(&mut site)
        .and_then(|()| check::check(&site))
        .map_err(|fault| placed(text, &fault))?;
    Ok(site)
}

/// Fills in the curves of groups that name a model.
fn look_up_models(site: &mut Site) -> std::result::Result<(), Fault> {
    for (i, group) in site.miners.iter_mut().enumerate() {
        let fault = |field, why: String| Fault {
            path: vec![Key::Name("miners"), Key::Index(i), Key::Name(field)],
            why,
        };
        match (&group.model, group.curve.is_empty()) {
            (Some(_), false) => {
                return Err(fault(
                    "curve",
                    "stands beside a model: give one of the two".into(),
                ));
            }
            (None, true) => {
                return Err(fault(
                    "name",
                    "has neither a model nor a curve: give one of the two".into(),
                ));
            }
            (None, false) if group.firmware == Firmware::Tunable => {
                return Err(fault(
                    "firmware",
                    "goes with a model; a measured curve says it already".into(),
                ));
            }
            (None, false) => {}
            (Some(name), true) => {
                let known = model(name).ok_or_else(|| fault("model", unknown_model(name)))?;
                group.curve = known.curve(group.firmware);
            }
        }
    }
    Ok(())
}

fn unknown_model(name: &str) -> String {
    let names: Vec<&str> = super::MODELS.iter().map(|model| model.name).collect();
    format!(
        "is {name:?}, which isn't in the library ({}): give a curve instead",
        names.join(", ")
    )
}

/// The error for a fault, with the line of the field, or of the nearest thing around it that the file has.
fn placed(text: &str, fault: &Fault) -> Error {
    let offset = DeTable::parse(text).map_or(0, |root| offset_of(root.get_ref(), &fault.path));
    let before = text.get(..offset).unwrap_or_default();
    Error::SiteValue {
        line: before.matches('\n').count() + 1,
        field: shown(&fault.path),
        why: fault.why.clone(),
    }
}

fn offset_of(root: &DeTable<'_>, path: &[Key]) -> usize {
    let Some((Key::Name(first), rest)) = path.split_first() else {
        return 0;
    };
    let Some((key, value)) = root.iter().find(|(key, _)| key.get_ref() == first) else {
        return 0;
    };
    // A field is pointed at by its name; a table or a list's item by where it begins.
    let mut offset = key.span().start;
    let mut value = value;
    for key in rest {
        let next = match (key, value.get_ref()) {
            (Key::Name(name), DeValue::Table(table)) => table
                .iter()
                .find(|(key, _)| key.get_ref() == name)
                .map(|(key, next)| (key.span().start, next)),
            (Key::Index(i), DeValue::Array(list)) => {
                list.get(*i).map(|next| (next.span().start, next))
            }
            _ => None,
        };
        let Some((start, inner)) = next else { break };
        (offset, value) = (start, inner);
    }
    offset
}

fn shown(path: &[Key]) -> String {
    let mut text = String::new();
    for key in path {
        match key {
            Key::Index(i) => text.push_str(&format!("[{i}]")),
            Key::Name(name) if text.is_empty() => text.push_str(name),
            Key::Name(name) => text.push_str(&format!(".{name}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "shed"
time_zone = "Europe/Berlin"
[grid]
import_kw_max = 20
[tariff]
import = { kind = "flat", usd_per_kwh = 0.3 }
[[miners]]
name = "heater"
units = 2
model = "s9"
"#;

    #[track_caller]
    fn check_line(from: &str, to: &str, line_expected: usize, part: &str) {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD);
        match parse(&text).unwrap_err() {
            Error::SiteValue { line, field, why } => {
                let said = format!("{field} {why}");
                assert!(said.contains(part), "{said}");
                assert_eq!(line, line_expected, "{said}");
            }
            Error::SiteSyntax { why } => {
                assert!(
                    why.contains(&format!("line {line_expected}")) && why.contains(part),
                    "{why}"
                );
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_good_site_is_read() {
        let site = parse(GOOD).unwrap();
        assert_eq!(site.miners[0].curve.power_w_max(), 1323.0);
        assert!(!site.tariff.is_hourly());
    }

    #[test]
    fn errors_point_at_the_line() {
        check_line("units = 2", "units = 0", 10, "miners[0].units");
        check_line("units = 2", "unitz = 2", 10, "unitz");
        check_line("units = 2", "units = \"two\"", 10, "expected u32");
        check_line("\"s9\"", "\"s99\"", 11, "isn't in the library");
        check_line("20", "nan", 5, "grid.import_kw_max");
        check_line("20", "-1", 5, "grid.import_kw_max");
        check_line("Europe/Berlin", "Europe/Bärlin", 3, "time_zone");
        check_line("0.3", "1e9", 7, "usd_per_kwh");
        check_line("model = \"s9\"", "", 9, "neither a model nor a curve");
        check_line(
            "model = \"s9\"",
            "curve = [{ power_w = 5, hashrate_ths = 1 }]\nmodel = \"s9\"",
            11,
            "one of the two",
        );
        check_line(
            "model = \"s9\"",
            "curve = [{ power_w = 5, hashrate_ths = 1 }, { power_w = 4, hashrate_ths = 2 }]",
            11,
            "rising power",
        );
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let text = "#".repeat(FILE_BYTES_MAX + 1);
        assert_eq!(parse(&text).unwrap_err().code(), "too_large");
    }
}

//! Which names a model may have: each becomes a folder, on any system, so few characters are
//! allowed.

use super::error::{Result, StoreError};

const LEN_MAX: usize = 64;

/// Names that Windows keeps for devices, whatever follows the first dot.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// Checks that `name` is a plain, portable folder name.
///
/// # Errors
/// [`StoreError::InvalidName`] says which rule it breaks.
pub(super) fn check(name: &str) -> Result<()> {
    match fault(name) {
        None => Ok(()),
        Some(reason) => Err(StoreError::InvalidName {
            name: shorten(name),
            reason,
        }),
    }
}

fn fault(name: &str) -> Option<&'static str> {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > LEN_MAX {
        Some("it is longer than 64 characters")
    } else if !name
        .bytes()
        .all(|byte| plain(byte) || b"-_.".contains(&byte))
    {
        Some("only a-z, 0-9, `-`, `_` and `.` are allowed")
    } else if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        Some("it must begin with a letter or a digit")
    } else if name.ends_with('.') || name.contains("..") {
        Some("dots must stand alone, between other characters")
    } else if is_device(name) {
        Some("Windows keeps this name for a device")
    } else {
        None
    }
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name);
    let word = stem.trim_end_matches(|last: char| last.is_ascii_digit());
    DEVICES.contains(&word) && stem.len() <= word.len() + 1
}

/// The name as an error may show it: a hostile one can be megabytes long.
pub(super) fn shorten(name: &str) -> String {
    let mut shown: String = name.chars().take(LEN_MAX).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_pass_and_hostile_ones_do_not() {
        for good in [
            "smollm2-135m-instruct",
            "a",
            "7b",
            "gemma-3_270m.q4",
            "console",
            "nullable",
            "com12",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        let long = "a".repeat(65);
        let bad = [
            "", ".", "..", "../x", "a/b", "a\\b", "a\0b", ".hidden", "-rf", "a..b", "a.", "Big",
            "é", "a b", "nul",
        ];
        for bad in bad
            .into_iter()
            .chain(["com1", "aux.gguf", "lpt9.x", long.as_str()])
        {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn errors_show_no_more_than_the_beginning() {
        let error = check(&"é".repeat(1_000_000)).map_err(|error| error.to_string());
        assert!(error.is_err_and(|text| text.len() < 1000));
    }

    proptest! {
        #[test]
        fn an_accepted_name_is_one_path_component(name in "\\PC{0,80}|[a-z./\\\\\0-]{0,8}") {
            if check(&name).is_ok() {
                let parts: Vec<_> = Path::new(&name).components().collect();
                prop_assert_eq!(parts, vec![Component::Normal(name.as_ref())]);
            }
        }
    }
}

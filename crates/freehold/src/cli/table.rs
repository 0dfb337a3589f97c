//! Tables for people.

/// Rows below each other; columns of numbers are aligned to the right.
pub fn table<const N: usize>(heads: [&str; N], rows: Vec<[String; N]>) -> String {
    let is_number = |text: &String| {
        text.chars()
            .all(|c| c.is_ascii_digit() || "+-.".contains(c))
    };
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([heads[at].chars().count()]).max().unwrap_or(0)
    };
    let columns: Vec<(usize, bool)> = (0..N)
        .map(|at| (width(at), rows.iter().all(|row| is_number(&row[at]))))
        .collect();
    let line = |cells: &[String; N]| {
        let cells: Vec<String> = cells.iter().zip(&columns).map(align).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let head = line(&heads.map(str::to_uppercase));
    let lines: Vec<String> = [head].into_iter().chain(rows.iter().map(line)).collect();
    lines.join("\n")
}

fn align((cell, (width, is_right)): (&String, &(usize, bool))) -> String {
    if *is_right {
        format!("{cell:>width$}")
    } else {
        format!("{cell:<width$}")
    }
}

/// Names and values below each other.
pub fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{name:<width$}  {value}");
    pairs.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Thousandths of a sat as sats.
pub fn sat(msat: u64) -> String {
    match (msat / 1000, msat % 1000) {
        (sat, 0) => sat.to_string(),
        (sat, rest) => format!("{sat}.{rest:03}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right() {
        let rows = vec![
            ["scout".to_owned(), "7".to_owned()],
            ["b".to_owned(), "1234".to_owned()],
        ];
        let text = "NAME    SAT\nscout     7\nb      1234";
        assert_eq!(table(["name", "sat"], rows), text);
    }

    #[test]
    fn an_amount_shows_thousandths_only_if_it_has_them() {
        assert_eq!(sat(7_000), "7");
        assert_eq!(sat(7_050), "7.050");
    }
}

//! The date, for templates that tell the model what day it is.

use std::{fmt::Write, time::SystemTime};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];
const SECONDS_PER_DAY: u64 = 86_400;

/// Formats a time in UTC the way C's `strftime` does, with the conversions that templates use.
/// Others stay as they are.
pub(super) fn format(time: SystemTime, format: &str) -> String {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since_1970.map_or(0, |duration| duration.as_secs());
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some(conversion) => convert(&mut text, seconds, conversion),
            None => text.push('%'),
        }
    }
    text
}

fn convert(text: &mut String, seconds: u64, conversion: char) {
    let days = seconds / SECONDS_PER_DAY;
    let (year, month, day) = civil(days);
    let [hour, minute, second] = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
    let month_name = usize::try_from(month - 1).map_or("", |month| MONTHS[month]);
    let day_name = usize::try_from(days % 7).map_or("", |day| DAYS[day]);
    // Writing to a string can't fail.
    let _ = match conversion {
        'Y' => write!(text, "{year}"),
        'y' => write!(text, "{:02}", year % 100),
        'm' => write!(text, "{month:02}"),
        'd' => write!(text, "{day:02}"),
        'e' => write!(text, "{day:>2}"),
        'B' => write!(text, "{month_name}"),
        'b' => write!(text, "{month_name:.3}"),
        'A' => write!(text, "{day_name}"),
        'a' => write!(text, "{day_name:.3}"),
        'H' => write!(text, "{hour:02}"),
        'I' => write!(text, "{:02}", (hour + 11) % 12 + 1),
        'p' => write!(text, "{}", if hour < 12 { "AM" } else { "PM" }),
        'M' => write!(text, "{minute:02}"),
        'S' => write!(text, "{second:02}"),
        'F' => write!(text, "{year}-{month:02}-{day:02}"),
        'T' => write!(text, "{hour:02}:{minute:02}:{second:02}"),
        'Z' => write!(text, "UTC"),
        '%' => write!(text, "%"),
        other => write!(text, "%{other}"),
    };
}

/// Year, month and day of a day since 1970, by walking: there are only some hundred steps.
fn civil(mut days: u64) -> (u64, u64, u64) {
    // Beyond this the date is nonsense anyway, and the walk stays short.
    days = days.min(3_000_000);
    let mut year = 1970;
    while days >= days_in_year(year) {
        days -= days_in_year(year);
        year += 1;
    }
    let february = days_in_year(year) - 337;
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

fn days_in_year(year: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if is_leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn check(seconds: u64, pattern: &str, expected: &str) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(format(time, pattern), expected);
    }

    #[test]
    fn dates_are_right() {
        check(0, "%A %d %B %Y, %T", "Thursday 01 January 1970, 00:00:00");
        check(951_782_400, "%d %b %Y", "29 Feb 2000");
        check(
            1_735_689_599,
            "%F %I:%M:%S %p %a",
            "2024-12-31 11:59:59 PM Tue",
        );
        check(1_769_904_000, "%e.%m.%y 100%% %Q %", " 1.02.26 100% %Q %");
        check(u64::from(u32::MAX), "%Y", "2106");
    }
}

//! Numbers, times and durations for people. All times are UTC.

use weir_model::EventTime;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A count with thousands separated: `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun: `1 row`, `2 rows`.
pub fn counted(n: u64, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{} {noun}s", count(n))
    }
}

/// A count in at most three digits and a unit: `987`, `12.3 k`, `4.56 M`.
pub fn short_count(n: f64) -> String {
    let (scaled, unit) = match n {
        n if n >= 999.5e6 => (n / 1e9, " G"),
        n if n >= 999.5e3 => (n / 1e6, " M"),
        n if n >= 999.5 => (n / 1e3, " k"),
        n => return format!("{n:.0}"),
    };
    let decimals = match scaled {
        s if s >= 99.95 => 0,
        s if s >= 9.995 => 1,
        _ => 2,
    };
    format!("{scaled:.decimals$}{unit}")
}

/// Rows per second: `12.3 k/s`. Rates below ten keep a decimal: `0.5/s`.
pub fn rate(per_s: f64) -> String {
    if per_s > 0.0 && per_s < 9.95 {
        format!("{per_s:.1}/s")
    } else {
        format!("{}/s", short_count(per_s))
    }
}

/// A share of 1 as whole percent: `37 %`.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share.clamp(0.0, 1.0) * 100.0)
}

/// Bytes in binary units: `12.3 MiB`.
pub fn bytes(n: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut scaled = n as f64 / 1024.0;
    let mut unit = 0;
    while scaled >= 1023.95 && unit + 1 < units.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(scaled < 99.95);
    format!("{scaled:.decimals$} {}", units[unit])
}

/// A span of time in its two largest units: `250 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`.
/// A negative one, which only clocks that disagree give, counts as nothing.
pub fn duration(ms: i64) -> String {
    let two = |large: i64, large_unit: &str, small: i64, small_unit: &str| {
        if small == 0 {
            format!("{large} {large_unit}")
        } else {
            format!("{large} {large_unit} {small} {small_unit}")
        }
    };
    match ms.max(0) {
        ms if ms < SECOND_MS => format!("{ms} ms"),
        ms if ms < 10 * SECOND_MS => format!("{}.{} s", ms / SECOND_MS, ms % SECOND_MS / 100),
        ms if ms < MINUTE_MS => format!("{} s", ms / SECOND_MS),
        ms if ms < HOUR_MS => two(ms / MINUTE_MS, "min", ms % MINUTE_MS / SECOND_MS, "s"),
        ms if ms < DAY_MS => two(ms / HOUR_MS, "h", ms % HOUR_MS / MINUTE_MS, "min"),
        ms => two(ms / DAY_MS, "d", ms % DAY_MS / HOUR_MS, "h"),
    }
}

/// A short span of time, from microseconds: `640 µs`, `1.2 ms`, `3.4 s`.
pub fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..100_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => duration(i64::try_from(us / 1_000).unwrap_or(i64::MAX)),
    }
}

/// How long ago, roughly: `just now`, `40 s ago`, `5 min ago`, `3 h ago`, `2 d ago`.
pub fn ago(ms: i64) -> String {
    match ms.max(0) {
        ms if ms < 5 * SECOND_MS => "just now".to_owned(),
        ms if ms < MINUTE_MS => format!("{} s ago", ms / SECOND_MS),
        ms if ms < HOUR_MS => format!("{} min ago", ms / MINUTE_MS),
        ms if ms < DAY_MS => format!("{} h ago", ms / HOUR_MS),
        ms => format!("{} d ago", ms / DAY_MS),
    }
}

/// A moment as `2026-11-23 17:45:29`, in UTC. Beyond the years 0 to 9999: the milliseconds.
pub fn date_time(ms: i64) -> String {
    let days = ms.div_euclid(DAY_MS);
    let Some((year, month, day)) = civil(days) else {
        return format!("{ms} ms");
    };
    format!("{year:04}-{month:02}-{day:02} {}", clock(ms))
}

/// The time of day of a moment: `17:45:29`, in UTC.
pub fn clock(ms: i64) -> String {
    let second = ms.rem_euclid(DAY_MS) / SECOND_MS;
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// A watermark: `none yet`, `end of input`, or its moment.
pub fn watermark(mark: Option<EventTime>) -> String {
    match mark {
        None | Some(EventTime::MIN) => "none yet".to_owned(),
        Some(EventTime::MAX) => "end of input".to_owned(),
        Some(EventTime(ms)) => date_time(ms),
    }
}

/// The same where there is little room: the time of day alone.
pub fn watermark_clock(mark: Option<EventTime>) -> String {
    match mark {
        Some(EventTime(ms)) if mark != Some(EventTime::MIN) && mark != Some(EventTime::MAX) => clock(ms),
        _ => watermark(mark),
    }
}

/// How far a watermark is behind the clock, where that says something: not for an input of long ago, whose event
/// time has nothing to do with now.
pub fn watermark_lag(mark: Option<EventTime>, now_ms: i64) -> Option<String> {
    let mark = mark.filter(|m| !matches!(*m, EventTime::MIN | EventTime::MAX))?;
    let lag_ms = now_ms.checked_sub(mark.0)?;
    (-DAY_MS..7 * DAY_MS).contains(&lag_ms).then(|| duration(lag_ms))
}

/// The last characters of an id, enough to tell its neighbours apart: time-ordered ids share their beginning.
pub fn short_id(id: &str) -> &str {
    id.len()
        .checked_sub(8)
        .and_then(|start| id.get(start..))
        .unwrap_or(id)
}

/// A text cut to at most this many characters, the last of them an ellipsis if something was cut.
pub fn truncate(text: &str, max_chars: usize) -> String {
    if text.chars().count() <= max_chars {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(max_chars.saturating_sub(1)).collect();
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

/// Year, month and day in the Gregorian calendar of a day counted from 1970-01-01; none beyond the years 0 to 9999.
fn civil(days: i64) -> Option<(i64, usize, i64)> {
    const DAYS_TO_1970: i64 = 719_528;
    const DAYS_IN_400_YEARS: i64 = 146_097;
    let since_year_0 = days.checked_add(DAYS_TO_1970)?;
    if !(0..25 * DAYS_IN_400_YEARS).contains(&since_year_0) {
        return None;
    }
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let first_day_of = |year: i64| year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let mut year = since_year_0 * 400 / DAYS_IN_400_YEARS;
    while first_day_of(year + 1) <= since_year_0 {
        year += 1;
    }
    while first_day_of(year) > since_year_0 {
        year -= 1;
    }
    let mut day = since_year_0 - first_day_of(year);
    let february = if leap(year) { 29 } else { 28 };
    for (month, length) in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        .into_iter()
        .enumerate()
    {
        if day < length {
            return Some((year, month + 1, day + 1));
        }
        day -= length;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_separators() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), text);
        }
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(2_000, "row"), "2,000 rows");
    }

    #[test]
    fn short_counts_have_three_digits() {
        let cases = [
            (0.0, "0"),
            (999.4, "999"),
            (999.6, "1.00 k"),
            (12_345.0, "12.3 k"),
            (999_600.0, "1.00 M"),
            (4_560_000.0, "4.56 M"),
            (123_456_789.0, "123 M"),
            (2_000_000_000.0, "2.00 G"),
        ];
        for (n, text) in cases {
            assert_eq!(short_count(n), text);
        }
    }

    #[test]
    fn slow_rates_keep_a_decimal() {
        for (per_s, text) in [
            (0.0, "0/s"),
            (0.5, "0.5/s"),
            (9.96, "10/s"),
            (1_500.0, "1.50 k/s"),
        ] {
            assert_eq!(rate(per_s), text);
        }
    }

    #[test]
    fn shares_stay_within_bounds() {
        for (share, text) in [(-0.1, "0 %"), (0.374, "37 %"), (1.2, "100 %")] {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn bytes_are_binary() {
        for (n, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_536, "1.5 KiB"),
            (157_286_400, "150 MiB"),
        ] {
            assert_eq!(bytes(n), text);
        }
        assert_eq!(bytes(u64::MAX), "16777216 TiB");
    }

    #[test]
    fn durations_have_two_units() {
        let cases = [
            (-5, "0 ms"),
            (250, "250 ms"),
            (4_299, "4.2 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (185_000, "3 min 5 s"),
            (7_800_000, "2 h 10 min"),
            (273_600_000, "3 d 4 h"),
        ];
        for (ms, text) in cases {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn microseconds_become_what_can_be_read() {
        let cases = [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_290, "1.2 ms"),
            (99_999, "99.9 ms"),
            (250_000, "250 ms"),
            (61_000_000, "1 min 1 s"),
        ];
        for (us, text) in cases {
            assert_eq!(micros(us), text);
        }
    }

    #[test]
    fn times_ago_are_rough() {
        let cases = [
            (-1, "just now"),
            (40_000, "40 s ago"),
            (300_000, "5 min ago"),
            (180_000_000, "2 d ago"),
        ];
        for (ms, text) in cases {
            assert_eq!(ago(ms), text);
        }
    }

    #[test]
    fn moments_are_utc() {
        let cases = [
            (0, "1970-01-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (951_868_800_000, "2000-03-01 00:00:00"),
            (1_704_067_199_999, "2023-12-31 23:59:59"),
            (1_795_455_929_123, "2026-11-23 17:45:29"),
            (4_107_542_400_000, "2100-03-01 00:00:00"),
            (253_402_300_799_999, "9999-12-31 23:59:59"),
            (-62_167_219_200_000, "0000-01-01 00:00:00"),
            (253_402_300_800_000, "253402300800000 ms"),
            (i64::MIN, "-9223372036854775808 ms"),
        ];
        for (ms, text) in cases {
            assert_eq!(date_time(ms), text);
        }
    }

    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let mut last = civil(-146_098).expect("the year 1569 is within bounds");
        for days in -146_097..146_097 {
            let today = civil(days).expect("within bounds");
            let next_day = today.0 == last.0 && today.1 == last.1 && today.2 == last.2 + 1;
            let next_month = today.0 == last.0 && today.1 == last.1 + 1 && today.2 == 1;
            let next_year = today.0 == last.0 + 1 && (today.1, today.2) == (1, 1) && last.1 == 12;
            assert!(
                next_day || next_month || next_year,
                "{last:?} is followed by {today:?}"
            );
            last = today;
        }
    }

    #[test]
    fn watermarks_say_when_there_is_none() {
        assert_eq!(watermark(None), "none yet");
        assert_eq!(watermark(Some(EventTime::MIN)), "none yet");
        assert_eq!(watermark(Some(EventTime::MAX)), "end of input");
        assert_eq!(watermark(Some(EventTime(0))), "1970-01-01 00:00:00");
        assert_eq!(watermark_clock(Some(EventTime(61_000))), "00:01:01");
        assert_eq!(watermark_clock(Some(EventTime::MAX)), "end of input");
    }

    #[test]
    fn lag_is_shown_for_live_inputs_only() {
        let now = 1_795_455_929_123;
        assert_eq!(
            watermark_lag(Some(EventTime(now - 5_200)), now).as_deref(),
            Some("5.2 s")
        );
        assert_eq!(
            watermark_lag(Some(EventTime(now + 1_000)), now).as_deref(),
            Some("0 ms")
        );
        assert_eq!(watermark_lag(Some(EventTime(0)), now), None);
        assert_eq!(watermark_lag(Some(EventTime::MIN), now), None);
        assert_eq!(watermark_lag(Some(EventTime::MAX), now), None);
        assert_eq!(watermark_lag(None, now), None);
    }

    #[test]
    fn texts_are_cut_at_characters() {
        assert_eq!(truncate("Größe", 5), "Größe");
        assert_eq!(truncate("Größe der Welle", 6), "Größe…");
        assert_eq!(short_id("0192a1b2-0000-7000-8000-1234567890ab"), "567890ab");
        assert_eq!(short_id("abc"), "abc");
    }
}

use arrow_schema::TimeUnit;
use datafusion_common::ScalarValue;

use crate::testing::{call, check, int, text};

/// A TIMESTAMP(3).
fn at(text_: &str) -> ScalarValue {
    let value = call("TO_TIMESTAMP", &[text(text_)]).expect("reads");
    assert!(!value.is_null(), "{text_}");
    value
}

#[test]
fn times_are_written_in_javas_patterns() {
    let ts = at("2024-03-05 14:07:09.042");
    for (pattern, expected) in [
        ("yyyy-MM-dd HH:mm:ss.SSS", "2024-03-05 14:07:09.042"),
        ("yy/M/d", "24/3/5"),
        ("yyyyMMdd", "20240305"),
        ("EEE, dd MMM yyyy", "Tue, 05 Mar 2024"),
        ("EEEE d MMMM", "Tuesday 5 March"),
        ("h:mm a", "2:07 PM"),
        ("'day' D 'of' ''yy''", "day 65 of '24'"),
        ("HH'h'", "14h"),
        ("Q", "1"),
        ("S", "0"),
        ("SSSSSS", "042000"),
        ("k K", "14 2"),
    ] {
        check("DATE_FORMAT", &[ts.clone(), text(pattern)], Some(expected));
    }
    check(
        "DATE_FORMAT",
        &[text("2024-3-5 1:02:03"), text("HHmm")],
        Some("0102"),
    );
    check("DATE_FORMAT", &[text("yesterday"), text("HHmm")], None);
    assert!(call("DATE_FORMAT", &[ts, text("ww")]).is_err());
    check("FROM_UNIXTIME", &[int(44)], Some("1970-01-01 00:00:44"));
    check("FROM_UNIXTIME", &[int(-1), text("HH:mm")], Some("23:59"));
}

#[test]
fn times_are_read_from_text() {
    let ms = |name, args: &[ScalarValue]| match call(name, args) {
        Ok(ScalarValue::TimestampMillisecond(ms, _)) => ms,
        other => panic!("{name} gives {other:?}"),
    };
    assert_eq!(ms("TO_TIMESTAMP", &[text("1970-01-01 00:00:01.5")]), Some(1_500));
    assert_eq!(ms("TO_TIMESTAMP", &[text("1970-01-02")]), Some(86_400_000));
    assert_eq!(ms("TO_TIMESTAMP", &[text("1970-01-01T00:00:01")]), None);
    assert_eq!(ms("TO_TIMESTAMP", &[text("1970-02-30 00:00:00")]), None);
    let day = text("dd.MM.yyyy");
    assert_eq!(
        ms("TO_TIMESTAMP", &[text("02.01.1970"), day.clone()]),
        Some(86_400_000)
    );
    assert_eq!(ms("TO_TIMESTAMP", &[text("2.1.1970"), day.clone()]), None);
    assert_eq!(
        ms("TO_TIMESTAMP_LTZ", &[int(5), ScalarValue::Int32(Some(0))]),
        Some(5_000)
    );
    assert_eq!(
        ms("TO_TIMESTAMP_LTZ", &[int(5), ScalarValue::Int32(Some(3))]),
        Some(5)
    );
    let half = ScalarValue::Float64(Some(1.5));
    assert_eq!(
        ms("TO_TIMESTAMP_LTZ", &[half, ScalarValue::Int32(Some(0))]),
        Some(1_500)
    );
    let berlin = [
        text("2024-07-01 02:00:00"),
        text("yyyy-MM-dd HH:mm:ss"),
        text("Europe/Berlin"),
    ];
    assert_eq!(ms("TO_TIMESTAMP_LTZ", &berlin), Some(1_719_792_000_000));
    assert_eq!(
        call("TO_DATE", &[text("1970-1-3")]),
        Ok(ScalarValue::Date32(Some(2)))
    );
    assert_eq!(
        call("TO_DATE", &[text("2.1.1970"), day]),
        Ok(ScalarValue::Date32(Some(1)))
    );
    assert_eq!(call("TO_DATE", &[text("x")]), Ok(ScalarValue::Date32(None)));
    assert_eq!(
        call("UNIX_TIMESTAMP", &[text("1970-01-01 00:01:00")]),
        Ok(int(60))
    );
    assert_eq!(call("UNIX_TIMESTAMP", &[text("x")]), Ok(int(i64::MIN)));
    check(
        "CONVERT_TZ",
        &[
            text("1970-01-01 00:00:00"),
            text("UTC"),
            text("America/Los_Angeles"),
        ],
        Some("1969-12-31 16:00:00"),
    );
    check(
        "CONVERT_TZ",
        &[text("1970-01-01 00:00:00"), text("GMT+08:00"), text("UTC")],
        Some("1969-12-31 16:00:00"),
    );
}

#[test]
fn fields_count_as_flinks_do() {
    let sunday = at("2024-03-03 23:59:58");
    for (name, expected) in [
        ("DAYOFWEEK", 1),
        ("$ISODOW", 7),
        ("WEEK", 9),
        ("DAYOFYEAR", 63),
        ("QUARTER", 1),
        ("HOUR", 23),
        ("SECOND", 58),
        ("$CENTURY", 21),
        ("$MILLENNIUM", 3),
        ("$DECADE", 202),
        ("$ISOYEAR", 2024),
        ("$EPOCH", 1_709_510_398),
    ] {
        assert_eq!(
            call(name, std::slice::from_ref(&sunday)),
            Ok(int(expected)),
            "{name}"
        );
    }
}

#[test]
fn times_are_rounded_and_counted_between() {
    let ts = at("2024-05-17 14:07:09.042");
    let rounded = |name: &str, unit: &str| {
        let value = call(name, &[ts.clone(), text(unit)]).expect("rounds");
        match call("$TIME_TEXT", &[value]) {
            Ok(ScalarValue::Utf8(Some(text))) => text,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(rounded("$FLOOR", "MINUTE"), "2024-05-17 14:07:00.000");
    assert_eq!(rounded("$FLOOR", "WEEK"), "2024-05-12 00:00:00.000");
    assert_eq!(rounded("$FLOOR", "QUARTER"), "2024-04-01 00:00:00.000");
    assert_eq!(rounded("$CEIL", "YEAR"), "2025-01-01 00:00:00.000");
    assert_eq!(rounded("$CEIL", "HOUR"), "2024-05-17 15:00:00.000");
    let diff = |unit: &str, a: &str, b: &str| call("$TIMESTAMPDIFF", &[text(unit), at(a), at(b)]);
    let is = |n| Ok(ScalarValue::Int32(Some(n)));
    assert_eq!(diff("DAY", "2003-01-02 10:00:00", "2003-01-03 09:00:00"), is(0));
    assert_eq!(diff("MONTH", "2024-01-31 00:00:00", "2024-02-29 00:00:00"), is(1));
    assert_eq!(diff("MONTH", "2024-01-15 10:00:00", "2024-02-15 09:00:00"), is(0));
    assert_eq!(diff("MONTH", "2024-02-15 09:00:00", "2024-01-15 10:00:00"), is(0));
    assert_eq!(diff("YEAR", "2024-03-01 00:00:00", "2021-03-01 00:00:00"), is(-3));
    assert_eq!(
        diff("SECOND", "2024-03-01 00:00:01", "2024-03-01 00:00:00"),
        is(-1)
    );
    let sum = call(
        "$TIMESTAMPADD",
        &[int(1), at("2024-01-31 12:00:00"), text("MONTH")],
    )
    .expect("adds");
    check("$TIME_TEXT", &[sum], Some("2024-02-29 12:00:00.000"));
}

#[test]
fn times_are_cast_with_the_digits_of_their_type() {
    let micros = ScalarValue::TimestampMicrosecond(Some(1_500_000), None);
    check("$TIME_TEXT", &[micros], Some("1970-01-01 00:00:01.500000"));
    check(
        "$TIME_TEXT",
        &[ScalarValue::TimestampSecond(Some(-1), None)],
        Some("1969-12-31 23:59:59"),
    );
    check(
        "$TIME_TEXT",
        &[ScalarValue::Date32(Some(19_000))],
        Some("2022-01-08"),
    );
    check(
        "$TIME_TEXT",
        &[ScalarValue::Time32Second(Some(3_661))],
        Some("01:01:01"),
    );
    assert_eq!(super::per_second(TimeUnit::Nanosecond), 1_000_000_000);
}

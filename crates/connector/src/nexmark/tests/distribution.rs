//! What the events are like, by the reference generator's definitions.

use std::collections::BTreeMap;

use super::*;

const EVENTS: usize = 200_000;

/// All events with the default options, read once for all tests.
fn events() -> &'static RecordBatch {
    static EVENTS_READ: std::sync::LazyLock<RecordBatch> =
        std::sync::LazyLock::new(|| read_all(&[("events.num", &EVENTS.to_string())], schema(), 1, 4_096));
    &EVENTS_READ
}

/// The values of a field with their event numbers, where there are any.
fn longs(name: &str) -> Vec<(i64, i64)> {
    let array = field(events(), name);
    let long = |n: usize| match array.data_type() {
        DataType::Int64 => array.as_primitive::<Int64Type>().value(n),
        _ => array.as_primitive::<TimestampMillisecondType>().value(n),
    };
    (0..EVENTS)
        .filter(|n| array.is_valid(*n))
        .map(|n| (n as i64, long(n)))
        .collect()
}

fn strings(name: &str) -> Vec<String> {
    let array = field(events(), name);
    array
        .as_string::<i32>()
        .iter()
        .flatten()
        .map(str::to_owned)
        .collect()
}

fn share<T>(values: &[T], is: impl Fn(&T) -> bool) -> f64 {
    values.iter().filter(|value| is(value)).count() as f64 / values.len() as f64
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{found} is not {expected} within {tolerance}"
    );
}

/// Each key of the counts has the same share, within a part of it.
#[track_caller]
fn uniform<K: std::fmt::Debug + Ord>(values: impl Iterator<Item = K>, keys: usize, tolerance: f64) {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_insert(0_u32) += 1;
    }
    assert_eq!(counts.len(), keys, "{:?}", counts.keys());
    let expected = f64::from(counts.values().sum::<u32>()) / keys as f64;
    for (key, count) in counts {
        assert!(
            (f64::from(count) / expected - 1.0).abs() <= tolerance,
            "{key:?} comes {count} times, not {expected}"
        );
    }
}

/// The last person, counted from 0, that exists when an auction or a bid is event n.
fn last_person(n: i64) -> i64 {
    n / 50
}

#[test]
fn a_person_then_3_auctions_then_46_bids_make_a_cycle() {
    let types = events().column(0).as_primitive::<Int32Type>();
    for n in 0..EVENTS {
        let expected = match n % 50 {
            0 => 0,
            1..4 => 1,
            _ => 2,
        };
        assert_eq!(types.value(n), expected, "event {n}");
    }
}

#[test]
fn ids_count_from_1000() {
    for (name, count) in [("person.id", EVENTS / 50), ("auction.id", EVENTS / 50 * 3)] {
        let ids: Vec<_> = longs(name).into_iter().map(|(_, id)| id).collect();
        let expected: Vec<_> = (1_000..).take(count).collect();
        assert_eq!(ids, expected, "{name}");
    }
}

/// Checks ids that are hot in all but one of `ratio` cases, else any of a range.
fn check_choice(name: &str, ratio: f64, choice: impl Fn(i64) -> (i64, std::ops::Range<i64>)) {
    let ids = longs(name);
    let mut seen_ends = (false, false);
    let mut hot_by_chance = 0.0;
    for (n, id) in &ids {
        let (hot, range) = choice(*n);
        assert!(*id == hot || range.contains(id), "{name} {id} of event {n}");
        seen_ends.0 |= *id == range.start;
        seen_ends.1 |= *id == range.end - 1;
        if range.contains(&hot) {
            hot_by_chance += 1.0 / (range.end - range.start) as f64 / ids.len() as f64;
        }
    }
    assert_eq!(seen_ends, (true, true), "{name}");
    let hot = share(&ids, |(n, id)| *id == choice(*n).0);
    let expected = 1.0 - 1.0 / ratio + hot_by_chance / ratio;
    // Five standard deviations.
    near(hot, expected, 5.0 * (0.25 / ids.len() as f64).sqrt());
    // Where in the range the others are, from 0 to 1.
    let places: Vec<_> = ids
        .iter()
        .filter(|(n, id)| *id != choice(*n).0)
        .map(|(n, id)| {
            let range = choice(*n).1;
            (*id - range.start) as f64 / (range.end - range.start - 1) as f64
        })
        .collect();
    near(mean(places.into_iter()), 0.5, 0.02);
}

fn persons(n: i64) -> std::ops::Range<i64> {
    let people = last_person(n) + 1;
    let active = people.min(1_000);
    1_000 + people - active..1_000 + people + 10
}

#[test]
fn half_of_the_bids_are_for_the_hot_auction() {
    check_choice("bid.auction", 2.0, |n| {
        let last = n / 50 * 3 + 2;
        (
            1_000 + last / 100 * 100,
            1_000 + (last - 100).max(0)..1_000 + last + 11,
        )
    });
}

#[test]
fn three_in_four_bids_are_the_hot_bidders() {
    check_choice("bid.bidder", 4.0, |n| {
        (1_001 + last_person(n) / 100 * 100, persons(n))
    });
}

#[test]
fn three_in_four_auctions_are_the_hot_sellers() {
    check_choice("auction.seller", 4.0, |n| {
        (1_000 + last_person(n) / 100 * 100, persons(n))
    });
}

#[test]
fn hot_ratios_follow_their_options() {
    let hot_share = |ratio: &str| {
        let options = [
            ("events.num", "20000"),
            ("bid.hot-ratio.auctions", ratio),
            ("seed", "3"),
        ];
        let batch = read_all(&options, pruned(|name| name == "bid.auction"), 1, 4_096);
        let ids = field(&batch, "bid.auction");
        let ids: Vec<_> = (0..)
            .zip(ids.as_primitive::<Int64Type>())
            .filter_map(|(n, id)| Some((n, id?)))
            .collect();
        share(&ids, |(n, id): &(i64, i64)| {
            *id == 1_000 + (n / 50 * 3 + 2) / 100 * 100
        })
    };
    near(hot_share("1"), 0.009, 0.005);
    near(hot_share("10"), 0.9, 0.01);
    near(hot_share("1000000"), 1.0, 0.0);
}

#[test]
fn prices_are_log_uniform_from_1_to_a_million() {
    for name in ["bid.price", "auction.initialBid"] {
        let exponents: Vec<_> = longs(name)
            .into_iter()
            .map(|(_, cents)| {
                assert!((100..=100_000_000).contains(&cents), "{cents}");
                (cents as f64 / 100.0).log10()
            })
            .collect();
        uniform(exponents.iter().map(|e| (e * 2.0) as i32), 12, 0.08);
        near(mean(exponents.into_iter()), 3.0, 0.06);
    }
    let first = longs("auction.initialBid");
    let reserve = longs("auction.reserve");
    let above: Vec<_> = first
        .iter()
        .zip(&reserve)
        .map(|((_, bid), (_, reserve))| reserve - bid)
        .collect();
    assert!(above.iter().all(|above| (100..=100_000_000).contains(above)));
    uniform(
        above
            .iter()
            .map(|cents| ((*cents as f64 / 100.0).log10() * 2.0) as i32),
        12,
        0.1,
    );
}

#[test]
fn categories_are_10_to_14() {
    let categories = longs("auction.category");
    assert!(categories.iter().all(|(_, category)| (10..15).contains(category)));
    uniform(categories.into_iter().map(|(_, category)| category), 5, 0.08);
}

#[test]
fn events_are_spaced_by_the_rate_from_the_base_time_on() {
    for name in ["person.dateTime", "auction.dateTime", "bid.dateTime"] {
        for (n, time) in longs(name) {
            assert_eq!(time, 1_436_918_400_000 + n / 10, "{name} of event {n}");
        }
    }
    let options = [
        ("events.num", "100"),
        ("first-event.rate", "3"),
        ("base-time", "-5"),
    ];
    let slow = read_all(&options, pruned(|name| name == "bid.dateTime"), 1, 4_096);
    let times = field(&slow, "bid.dateTime");
    assert_eq!(times.as_primitive::<TimestampMillisecondType>().value(99), 32_995);
}

#[test]
fn an_auction_lasts_until_100_others_have_begun_on_average() {
    // 100 auctions take 1666 events, or 166 ms.
    let starts = longs("auction.dateTime");
    let ends = longs("auction.expires");
    let lengths: Vec<_> = starts
        .iter()
        .zip(&ends)
        .map(|((_, start), (_, end))| end - start)
        .collect();
    assert!(lengths.iter().all(|ms| (1..=2 * 167).contains(ms)));
    near(mean(lengths.into_iter().map(|ms| ms as f64)), 167.0, 5.0);
}

fn lengths(strings: &[String]) -> (usize, usize, f64) {
    let lengths = strings.iter().map(String::len);
    let (least, most) = (lengths.clone().min(), lengths.clone().max());
    (
        least.expect("there are some"),
        most.expect("there are some"),
        mean(lengths.map(|length| length as f64)),
    )
}

#[test]
fn the_extra_of_a_bid_brings_it_to_its_average_size() {
    let extras = strings("bid.extra");
    let (least, most, mean) = lengths(&extras);
    // 100 bytes less 32 of numbers, give or take a fifth.
    assert_eq!((least, most), (54, 81));
    near(mean, 67.5, 0.2);
    uniform(extras.iter().map(String::len), 28, 0.1);
    for place in [0, 1, 8, 15, 16, 53] {
        uniform(extras.iter().map(|extra| extra.as_bytes()[place]), 26, 0.08);
    }
    let pairs = extras
        .iter()
        .map(|extra| (extra.as_bytes()[0], extra.as_bytes()[1]));
    uniform(pairs, 26 * 26, 0.35);
    let mut distinct = extras.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), extras.len());
}

#[test]
fn the_extras_of_persons_and_auctions_bring_them_to_their_average_sizes() {
    let total = |column: &str, fields: &[&str], numbers: f64| {
        let lengths = fields
            .iter()
            .map(|field| lengths(&strings(&format!("{column}.{field}"))).2);
        numbers + lengths.sum::<f64>()
    };
    let person = ["name", "emailAddress", "creditCard", "city", "state", "extra"];
    near(total("person", &person, 8.0), 200.0, 1.5);
    near(
        total("auction", &["itemName", "description", "extra"], 48.0),
        500.0,
        2.0,
    );
}

#[test]
fn a_size_below_the_other_fields_leaves_no_extra() {
    let options = [
        ("events.num", "100"),
        ("bid.avg-size", "31"),
        ("person.avg-size", "0"),
    ];
    let batch = read_all(&options, schema(), 1, 4_096);
    for name in ["bid.extra", "person.extra"] {
        let extras = field(&batch, name);
        assert!(
            extras.as_string::<i32>().iter().flatten().all(str::is_empty),
            "{name}"
        );
    }
}

#[test]
fn phrases_have_letters_and_a_blank_in_thirteen() {
    for (name, longest) in [("auction.itemName", 19), ("auction.description", 99)] {
        let phrases = strings(name);
        let (_, most, mean) = lengths(&phrases);
        assert_eq!(most, longest, "{name}");
        // Uniform from 3 on; about two blanks in thirteen phrases are trimmed.
        near(mean, (3 + longest) as f64 / 2.0 - 2.0 / 12.0, 0.6);
        assert!(phrases.iter().all(|phrase| phrase.trim() == phrase));
        let inner: Vec<_> = phrases
            .iter()
            .filter(|it| it.len() > 5)
            .map(|it| it.as_bytes()[2])
            .collect();
        near(share(&inner, |byte| *byte == b' '), 1.0 / 13.0, 0.02);
        uniform(inner.into_iter().filter(|byte| *byte != b' '), 26, 0.25);
    }
}

#[test]
fn persons_have_names_addresses_and_cards() {
    for email in strings("person.emailAddress") {
        let (mailbox, domain) = email.split_once('@').expect("an address has an @");
        let domain = domain.strip_suffix(".com").expect("an address is a .com");
        assert!(mailbox.len() <= 6 && domain.len() <= 4, "{email}");
    }
    for card in strings("person.creditCard") {
        let groups: Vec<_> = card.split(' ').collect();
        assert!(
            groups.len() == 4 && groups.iter().all(|it| it.len() == 4 && it.parse::<u32>().is_ok()),
            "{card}"
        );
    }
    uniform(strings("person.city").into_iter(), 10, 0.25);
    uniform(strings("person.state").into_iter(), 6, 0.2);
    uniform(strings("person.name").into_iter(), 99, 0.7);
}

#[test]
fn half_of_the_bids_come_by_one_of_four_channels() {
    let channels = strings("bid.channel");
    let hot = ["Google", "Facebook", "Baidu", "Apple"];
    let is_hot = |channel: &String| hot.contains(&&**channel);
    near(share(&channels, is_hot), 0.5, 0.01);
    uniform(channels.iter().filter(|it| is_hot(it)), 4, 0.05);
    let others: std::collections::BTreeSet<_> = channels
        .iter()
        .filter(|it| !is_hot(it))
        .map(|it| {
            it.strip_prefix("channel-")
                .and_then(|it| it.parse::<u32>().ok())
                .expect("a number")
        })
        .collect();
    assert!(others.iter().all(|channel| *channel < 10_000) && others.len() > 9_900);
}

#[test]
fn a_channel_has_one_url_and_nine_in_ten_others_name_it() {
    let mut urls = BTreeMap::new();
    for (channel, url) in strings("bid.channel").into_iter().zip(strings("bid.url")) {
        assert_eq!(urls.entry(channel).or_insert_with(|| url.clone()), &url);
        let path = url.strip_prefix("https://www.nexmark.com/").expect("one site");
        let (path, _) = path.split_once("/item.htm?query=1").expect("one page");
        let directories: Vec<_> = path.split('/').collect();
        assert!(
            directories.len() == 3 && directories.iter().all(|it| (3..5).contains(&it.len())),
            "{url}"
        );
    }
    let (numbered, hot): (Vec<_>, Vec<_>) = urls
        .into_iter()
        .partition(|(channel, _)| channel.starts_with("channel-"));
    assert!(hot.len() == 4 && hot.iter().all(|(_, url)| url.ends_with("query=1")));
    let named = |(channel, url): &(String, String)| {
        let number: u32 = channel[8..].parse().expect("a number");
        let id = (number.reverse_bits() as i32).wrapping_abs();
        url.ends_with(&format!("query=1&channel_id={id}"))
    };
    near(share(&numbered, named), 0.9, 0.015);
    near(share(&numbered, |(_, url)| url.ends_with("query=1")), 0.1, 0.015);
}

#[test]
fn a_kind_may_be_left_out() {
    let options = [
        ("events.num", "100"),
        ("person.proportion", "0"),
        ("auction.proportion", "0"),
    ];
    let batch = read_all(&options, schema(), 1, 4_096);
    assert_eq!(batch.column(3).null_count(), 0);
    for name in ["bid.auction", "bid.bidder"] {
        let ids = field(&batch, name);
        let ids = ids.as_primitive::<Int64Type>().iter().flatten();
        assert!(ids.into_iter().all(|id| (1_000..1_010).contains(&id)), "{name}");
    }
}

/// Savepoints hold no rows of a source: what a number makes may never change.
#[test]
fn events_are_the_same_in_every_release() {
    let seen = [
        longs("bid.auction")[100_000].1,
        longs("bid.bidder")[100_000].1,
        longs("bid.price")[100_000].1,
        longs("auction.seller")[7_000].1,
        longs("auction.expires")[7_000].1,
        longs("auction.reserve")[7_000].1,
    ];
    assert_eq!(seen, [7_500, 3_101, 37_187, 3_300, 1_436_918_411_739, 119_101]);
    let seen = [
        &strings("bid.extra")[77],
        &strings("bid.url")[77],
        &strings("auction.description")[77],
        &strings("person.emailAddress")[77],
    ];
    assert_eq!(
        seen,
        [
            "gzxfeditayujcefsjujsdyrfbttommwabpmjfbwlavplgpclricijxwdqew",
            "https://www.nexmark.com/ozma/bnxd/ybx/item.htm?query=1&channel_id=1248329728",
            "pg vblibfkzjt rovltvyj",
            "oajl@gqx.com",
        ]
    );
}

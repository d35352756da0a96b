//! The fields of auctions.

use std::sync::Arc;

use arrow_array::{ArrayRef, TimestampMillisecondArray};

use super::{
    block::AUCTIONS_IN_FLIGHT,
    config::{Config, Kind},
    generator::Rows,
    random::{Chance, Stream, below, price},
    text::{push_extra, push_phrase, texts},
};

const FIRST_CATEGORY_ID: i64 = 10;
const CATEGORIES: u64 = 5;
const LONGEST_NAME: u64 = 20;
const LONGEST_DESCRIPTION: u64 = 100;
/// Id, initial bid, reserve, the two times and the seller.
const NUMBERS_SIZE: u32 = 6 * 8;

/// What auctions are drawn from.
#[derive(Clone, Debug)]
pub(super) struct Auctions {
    item_name: Stream,
    description: Stream,
    initial_bid: Stream,
    reserve: Stream,
    expires: Stream,
    seller: Stream,
    category: Stream,
    extra: Stream,
    hot_seller: Chance,
    average_size: u32,
    /// As many events hold all auctions that are in flight.
    flight_events: u64,
}

impl Auctions {
    pub(super) fn new(config: &Config) -> Self {
        let stream = |field: u64| Stream::new(config.seed, 16 + field);
        let cycle = config.cycle;
        Self {
            item_name: stream(0),
            description: stream(1),
            initial_bid: stream(2),
            reserve: stream(3),
            expires: stream(4),
            seller: stream(5),
            category: stream(6),
            extra: stream(7),
            hot_seller: Chance::all_but_one_in(config.hot.sellers),
            average_size: config.sizes.auction,
            flight_events: AUCTIONS_IN_FLIGHT as u64 * cycle.len() / cycle.auctions.max(1),
        }
    }

    /// The field of that name, if there is one.
    pub(super) fn column(&self, name: &str, rows: &Rows<'_>) -> Option<ArrayRef> {
        let longs = |value: fn(&Self, u64) -> i64| {
            rows.longs(Kind::Auction, |run, out| {
                out.extend(run.events.clone().map(|n| value(self, n)));
            })
        };
        let texts = |bytes, push: fn(&Self, u64, &mut Vec<u8>)| {
            texts(rows, Kind::Auction, bytes, |n, out| push(self, n, out))
        };
        Some(match name {
            "id" => rows.longs(Kind::Auction, |run, out| {
                out.extend(run.ids(run.first_auction_id()));
            }),
            "itemName" => texts(12, Self::push_item_name),
            "description" => texts(52, Self::push_description),
            "initialBid" => longs(Self::initial_bid),
            "reserve" => longs(Self::reserve),
            "dateTime" => rows.times(Kind::Auction),
            "expires" => self.expires(rows),
            "seller" => self.sellers(rows),
            "category" => longs(Self::category),
            "extra" => texts(self.average_size as usize, Self::push_extra),
            _ => return None,
        })
    }

    fn initial_bid(&self, n: u64) -> i64 {
        price(self.initial_bid.word(n))
    }

    fn reserve(&self, n: u64) -> i64 {
        self.initial_bid(n) + price(self.reserve.word(n))
    }

    fn category(&self, n: u64) -> i64 {
        FIRST_CATEGORY_ID + below(self.category.word(n), CATEGORIES) as i64
    }

    fn sellers(&self, rows: &Rows<'_>) -> ArrayRef {
        rows.longs(Kind::Auction, |run, out| {
            let persons = run.persons();
            out.extend(
                run.events
                    .clone()
                    .map(|n| persons.pick(self.hot_seller, self.seller.word(n))),
            );
        })
    }

    /// An auction lasts, on average, until as many others have begun as are in flight.
    fn expires(&self, rows: &Rows<'_>) -> ArrayRef {
        let config = rows.block.config;
        let values = rows.block.longs(Kind::Auction, |run, out| {
            out.extend(run.events.clone().map(|n| {
                let now = config.event_time_ms(n);
                let horizon = config.event_time_ms(n + self.flight_events) - now;
                let longest = (2 * horizon).max(1) as u128;
                now + 1 + ((u128::from(self.expires.word(n)) * longest) >> 64) as i64
            }));
        });
        Arc::new(TimestampMillisecondArray::new(
            values.into(),
            Some(rows.nulls(Kind::Auction)),
        ))
    }

    fn push_item_name(&self, n: u64, out: &mut Vec<u8>) {
        push_phrase(self.item_name, n, LONGEST_NAME, b' ', out);
    }

    fn push_description(&self, n: u64, out: &mut Vec<u8>) {
        push_phrase(self.description, n, LONGEST_DESCRIPTION, b' ', out);
    }

    fn push_extra(&self, n: u64, out: &mut Vec<u8>) {
        let start = out.len();
        self.push_item_name(n, out);
        self.push_description(n, out);
        let size = NUMBERS_SIZE + (out.len() - start) as u32;
        out.truncate(start);
        push_extra(self.extra.words(n), size, self.average_size, out);
    }
}

//! The fields of bids.

use std::fmt::Write;

use arrow_array::ArrayRef;

use super::{
    config::{Config, Kind},
    generator::Rows,
    random::{Chance, Stream, below, price},
    text::{push_extra, push_phrase, texts},
};

const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const CHANNELS: u32 = 10_000;
/// Auction, bidder, price and the time.
const NUMBERS_SIZE: u32 = 4 * 8;

/// What bids are drawn from.
#[derive(Clone, Debug)]
pub(super) struct Bids {
    auction: Stream,
    bidder: Stream,
    price: Stream,
    channel: Stream,
    extra: Stream,
    hot_auction: Chance,
    hot_bidder: Chance,
    hot_channel: Chance,
    average_size: u32,
    channels: Channels,
}

impl Bids {
    /// With `channels`, the table of channels and their URLs is made too.
    pub(super) fn new(config: &Config, channels: bool) -> Self {
        let stream = |field: u64| Stream::new(config.seed, 32 + field);
        Self {
            auction: stream(0),
            bidder: stream(1),
            price: stream(2),
            channel: stream(3),
            extra: stream(4),
            hot_auction: Chance::all_but_one_in(config.hot.auctions),
            hot_bidder: Chance::all_but_one_in(config.hot.bidders),
            hot_channel: Chance::all_but_one_in(2),
            average_size: config.sizes.bid,
            channels: if channels {
                Channels::new(stream)
            } else {
                Channels::default()
            },
        }
    }

    /// The field of that name, if there is one.
    pub(super) fn column(&self, name: &str, rows: &Rows<'_>) -> Option<ArrayRef> {
        Some(match name {
            "auction" => rows.longs(Kind::Bid, |run, out| {
                let auctions = run.auctions();
                out.extend(
                    run.events
                        .clone()
                        .map(|n| auctions.pick(self.hot_auction, self.auction.word(n))),
                );
            }),
            "bidder" => rows.longs(Kind::Bid, |run, out| {
                let mut persons = run.persons();
                // The second of its hundred, so that hot bidders are not hot sellers.
                persons.hot += 1;
                out.extend(
                    run.events
                        .clone()
                        .map(|n| persons.pick(self.hot_bidder, self.bidder.word(n))),
                );
            }),
            "price" => rows.longs(Kind::Bid, |run, out| {
                out.extend(run.events.clone().map(|n| price(self.price.word(n))));
            }),
            "channel" => texts(rows, Kind::Bid, 10, |n, out| {
                out.extend_from_slice(self.channels.names.get(self.channel(n)));
            }),
            "url" => texts(rows, Kind::Bid, 70, |n, out| {
                out.extend_from_slice(self.channels.urls.get(self.channel(n)));
            }),
            "dateTime" => rows.times(Kind::Bid),
            "extra" => texts(rows, Kind::Bid, self.average_size as usize, |n, out| {
                push_extra(self.extra.words(n), NUMBERS_SIZE, self.average_size, out);
            }),
            _ => return None,
        })
    }

    /// The place of a bid's channel in the table.
    fn channel(&self, n: u64) -> usize {
        let word = self.channel.word(n);
        let hot = HOT_CHANNELS.len() as u64;
        let place = if self.hot_channel.happens(word) {
            below(word, hot)
        } else {
            hot + below(word, u64::from(CHANNELS))
        };
        place as usize
    }
}

/// The hot channels, then the others, and the URL of each.
#[derive(Clone, Debug, Default)]
struct Channels {
    names: Strings,
    urls: Strings,
}

impl Channels {
    fn new(stream: impl Fn(u64) -> Stream) -> Self {
        let directories = [stream(5), stream(6), stream(7)];
        let with_id = (Chance::all_but_one_in(10), stream(8));
        let mut channels = Self::default();
        for (place, name) in (0..).zip(HOT_CHANNELS) {
            channels.names.push(name);
            channels.urls.push(&base_url(&directories, place));
        }
        for channel in 0..CHANNELS {
            let place = HOT_CHANNELS.len() as u64 + u64::from(channel);
            let mut url = base_url(&directories, place);
            if with_id.0.happens(with_id.1.word(place)) {
                let id = (channel.reverse_bits() as i32).wrapping_abs();
                write!(url, "&channel_id={id}").expect("a string takes whatever is written");
            }
            channels.names.push(&format!("channel-{channel}"));
            channels.urls.push(&url);
        }
        channels
    }
}

fn base_url(directories: &[Stream; 3], place: u64) -> String {
    let mut path = Vec::new();
    for directory in directories {
        push_phrase(*directory, place, 5, b'_', &mut path);
        path.push(b'/');
    }
    let path = String::from_utf8_lossy(&path);
    format!("https://www.nexmark.com/{path}item.htm?query=1")
}

/// Strings, one after the other.
#[derive(Clone, Debug, Default)]
struct Strings {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Strings {
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len() as u32);
    }

    fn get(&self, place: usize) -> &[u8] {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.bytes[start as usize..self.ends[place] as usize]
    }
}

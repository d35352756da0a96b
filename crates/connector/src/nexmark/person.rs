//! The fields of persons.

use arrow_array::ArrayRef;

use super::{
    config::{Config, Kind},
    generator::Rows,
    random::{Stream, below},
    text::{push_extra, push_phrase, texts},
};

const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: [&str; 10] = [
    "Phoenix",
    "Los Angeles",
    "San Francisco",
    "Boise",
    "Portland",
    "Bend",
    "Redmond",
    "Seattle",
    "Kent",
    "Cheyenne",
];
const FIRST_NAMES: [&str; 11] = [
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter",
];
const LAST_NAMES: [&str; 9] = [
    "Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris",
];

/// What persons are drawn from.
#[derive(Clone, Debug)]
pub(super) struct Persons {
    name: Stream,
    mailbox: Stream,
    domain: Stream,
    credit_card: Stream,
    city: Stream,
    state: Stream,
    extra: Stream,
    average_size: u32,
}

impl Persons {
    pub(super) fn new(config: &Config) -> Self {
        let stream = |field| Stream::new(config.seed, field);
        Self {
            name: stream(0),
            mailbox: stream(1),
            domain: stream(2),
            credit_card: stream(3),
            city: stream(4),
            state: stream(5),
            extra: stream(6),
            average_size: config.sizes.person,
        }
    }

    /// The field of that name, if there is one.
    pub(super) fn column(&self, name: &str, rows: &Rows<'_>) -> Option<ArrayRef> {
        let texts = |bytes, push: fn(&Self, u64, &mut Vec<u8>)| {
            texts(rows, Kind::Person, bytes, |n, out| push(self, n, out))
        };
        Some(match name {
            "id" => rows.longs(Kind::Person, |run, out| {
                out.extend(run.ids(run.first_person_id()));
            }),
            "name" => texts(16, Self::push_name),
            "emailAddress" => texts(16, Self::push_email),
            "creditCard" => texts(20, Self::push_credit_card),
            "city" => texts(16, Self::push_city),
            "state" => texts(2, Self::push_state),
            "dateTime" => rows.times(Kind::Person),
            "extra" => texts(self.average_size as usize, Self::push_extra),
            _ => return None,
        })
    }

    fn push_name(&self, n: u64, out: &mut Vec<u8>) {
        let word = self.name.word(n);
        push_one_of(&FIRST_NAMES, word, out);
        out.push(b' ');
        push_one_of(&LAST_NAMES, word << 32, out);
    }

    fn push_email(&self, n: u64, out: &mut Vec<u8>) {
        push_phrase(self.mailbox, n, 7, b' ', out);
        out.push(b'@');
        push_phrase(self.domain, n, 5, b' ', out);
        out.extend_from_slice(b".com");
    }

    fn push_credit_card(&self, n: u64, out: &mut Vec<u8>) {
        let mut words = self.credit_card.words(n);
        for group in 0..4 {
            if group > 0 {
                out.push(b' ');
            }
            let number = below(words.next(), 10_000);
            out.extend([1_000, 100, 10, 1].map(|unit| b'0' + (number / unit % 10) as u8));
        }
    }

    fn push_city(&self, n: u64, out: &mut Vec<u8>) {
        push_one_of(&CITIES, self.city.word(n), out);
    }

    fn push_state(&self, n: u64, out: &mut Vec<u8>) {
        push_one_of(&STATES, self.state.word(n), out);
    }

    fn push_extra(&self, n: u64, out: &mut Vec<u8>) {
        let start = out.len();
        self.push_name(n, out);
        self.push_email(n, out);
        self.push_credit_card(n, out);
        self.push_city(n, out);
        self.push_state(n, out);
        let size = 8 + (out.len() - start) as u32;
        out.truncate(start);
        push_extra(self.extra.words(n), size, self.average_size, out);
    }
}

fn push_one_of(choices: &[&str], word: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(choices[below(word, choices.len() as u64) as usize].as_bytes());
}

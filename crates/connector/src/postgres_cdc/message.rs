//! Changes as PostgreSQL writes them: the messages of `pgoutput`.

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// There is none.
    Null,
    /// It is as it was, and large: it is not said again.
    Unchanged,
    /// As text.
    Text(&'a [u8]),
}

/// The values of a row, by the columns of its table.
pub(super) type Tuple<'a> = Vec<Value<'a>>;

/// A table, as messages after it have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    /// Its number.
    pub(super) id: u32,
    /// Its schema.
    pub(super) schema: String,
    /// Its name.
    pub(super) name: String,
    /// The names of its columns.
    pub(super) columns: Vec<String>,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// What a table is like.
    Relation(Relation),
    /// A row was added.
    Insert {
        /// To this table.
        relation: u32,
        /// The row.
        new: Tuple<'a>,
    },
    /// A row is another one now.
    Update {
        /// In this table.
        relation: u32,
        /// Its key, if that changed, or the row as it was, if the table's replica identity is full.
        old: Option<Tuple<'a>>,
        /// The row.
        new: Tuple<'a>,
    },
    /// A row is no more.
    Delete {
        /// In this table.
        relation: u32,
        /// Its key, or the row, if the table's replica identity is full.
        old: Tuple<'a>,
    },
    /// All rows of tables are no more.
    Truncate(Vec<u32>),
    /// Something that is no change of a row.
    Other,
}

impl<'a> Message<'a> {
    /// Reads a message; none if it is not as it should be.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut read = Read(bytes);
        Some(match read.byte()? {
            b'R' => Self::Relation(read.relation()?),
            b'I' => {
                let relation = read.u32()?;
                read.byte()?;
                Self::Insert {
                    relation,
                    new: read.tuple()?,
                }
            }
            b'U' => {
                let relation = read.u32()?;
                let old = match read.byte()? {
                    b'K' | b'O' => {
                        let old = read.tuple()?;
                        read.byte()?;
                        Some(old)
                    }
                    _ => None,
                };
                Self::Update {
                    relation,
                    old,
                    new: read.tuple()?,
                }
            }
            b'D' => {
                let relation = read.u32()?;
                read.byte()?;
                Self::Delete {
                    relation,
                    old: read.tuple()?,
                }
            }
            b'T' => {
                let count = read.u32()?;
                read.byte()?;
                Self::Truncate((0..count).map(|_| read.u32()).collect::<Option<_>>()?)
            }
            _ => Self::Other,
        })
    }
}

/// What is left of a message.
struct Read<'a>(&'a [u8]);

impl<'a> Read<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<String> {
        let end = memchr::memchr(0, self.0)?;
        let text = String::from_utf8(self.take(end)?.to_vec()).ok()?;
        self.byte()?;
        Some(text)
    }

    fn relation(&mut self) -> Option<Relation> {
        let (id, schema, name) = (self.u32()?, self.text()?, self.text()?);
        self.byte()?;
        let columns = (0..self.u16()?).map(|_| {
            self.byte()?;
            let name = self.text()?;
            self.take(8)?;
            Some(name)
        });
        Some(Relation {
            id,
            columns: columns.collect::<Option<_>>()?,
            schema,
            name,
        })
    }

    fn tuple(&mut self) -> Option<Tuple<'a>> {
        let values = (0..self.u16()?).map(|_| {
            Some(match self.byte()? {
                b'n' => Value::Null,
                b'u' => Value::Unchanged,
                b't' => {
                    let bytes = self.u32()? as usize;
                    Value::Text(self.take(bytes)?)
                }
                _ => return None,
            })
        });
        values.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(values: &[Option<&str>]) -> Vec<u8> {
        let mut bytes = (values.len() as u16).to_be_bytes().to_vec();
        for value in values {
            match value {
                None => bytes.push(b'n'),
                Some("<unchanged>") => bytes.push(b'u'),
                Some(text) => {
                    bytes.push(b't');
                    bytes.extend((text.len() as u32).to_be_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
        }
        bytes
    }

    #[test]
    fn messages_are_read() {
        let mut relation = b"R\0\0\0\x07public\0items\0d\0\x02".to_vec();
        relation.extend(b"\x01id\0\0\0\0\x17\xff\xff\xff\xff");
        relation.extend(b"\0name\0\0\0\0\x19\xff\xff\xff\xff");
        let expected = Relation {
            id: 7,
            schema: "public".into(),
            name: "items".into(),
            columns: vec!["id".into(), "name".into()],
        };
        assert_eq!(Message::parse(&relation), Some(Message::Relation(expected)));

        let update = [
            b"U\0\0\0\x07K".to_vec(),
            tuple(&[Some("1"), None]),
            b"N".to_vec(),
            tuple(&[Some("2"), Some("<unchanged>")]),
        ]
        .concat();
        assert_eq!(
            Message::parse(&update),
            Some(Message::Update {
                relation: 7,
                old: Some(vec![Value::Text(b"1"), Value::Null]),
                new: vec![Value::Text(b"2"), Value::Unchanged],
            })
        );
        let truncate = b"T\0\0\0\x01\0\0\0\0\x07";
        assert_eq!(Message::parse(truncate), Some(Message::Truncate(vec![7])));
    }

    #[test]
    fn what_is_cut_off_is_no_message() {
        let insert = [b"I\0\0\0\x07N".to_vec(), tuple(&[Some("1"), Some("pen")])].concat();
        assert!(Message::parse(&insert).is_some());
        for end in 0..insert.len() {
            assert_eq!(Message::parse(&insert[..end]), None, "{end}");
        }
    }
}

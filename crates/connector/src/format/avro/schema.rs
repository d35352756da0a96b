//! Schemas of Avro: read from their JSON, with names resolved.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// A type of a schema, by its place there.
pub(crate) type Id = usize;

/// A schema: its types, each once, so that one may hold itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schema {
    types: Vec<Type>,
    root: Id,
}

/// A type and what its values mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Type {
    pub(crate) kind: Kind,
    pub(crate) logical: Option<Logical>,
}

/// How values of a type are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Record { name: String, fields: Vec<Field> },
    Enum(Vec<String>),
    Array(Id),
    Map(Id),
    Union(Vec<Id>),
    Fixed(usize),
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) id: Id,
}

/// What values of a type mean beside what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logical {
    Decimal {
        precision: u32,
        scale: u32,
    },
    Date,
    /// A time of day in so many units a second.
    Time {
        per_second: i64,
    },
    /// A timestamp in so many units a second: a moment, or what a clock on the wall shows.
    Timestamp {
        per_second: i64,
        is_local: bool,
    },
    Uuid,
}

impl Schema {
    /// Reads the JSON of a schema. The error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::parse_all([text])
    }

    /// Reads the JSON of several schemas, of which each may name types of those before it: the last one with them.
    pub(crate) fn parse_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut parse = Parse::default();
        let mut root = None;
        for text in texts {
            let json: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
            root = Some(parse.read(&json, None)?);
        }
        Ok(Self {
            root: root.ok_or("is empty")?,
            types: parse.types,
        })
    }

    /// Checks that values are written as another schema has them, whatever its types are called. The error says where they are not.
    pub(crate) fn is_written_as(&self, other: &Self) -> Result<(), String> {
        self.same(self.root, other, other.root)
    }

    fn same(&self, id: Id, other: &Self, theirs: Id) -> Result<(), String> {
        let (ours, others) = (self.get(id), other.get(theirs));
        let differ = || Err(format!("{} is not {}", self.name(id), other.name(theirs)));
        if ours.logical != others.logical {
            return differ();
        }
        match (&ours.kind, &others.kind) {
            (Kind::Record { fields, .. }, Kind::Record { fields: theirs, .. })
                if fields.len() == theirs.len() =>
            {
                for (field, their) in fields.iter().zip(theirs) {
                    if field.name != their.name {
                        return Err(format!("field '{}' is not '{}'", field.name, their.name));
                    }
                    let same = self.same(field.id, other, their.id);
                    same.map_err(|reason| format!("of field '{}', {reason}", field.name))?;
                }
                Ok(())
            }
            (Kind::Array(ours), Kind::Array(theirs)) | (Kind::Map(ours), Kind::Map(theirs)) => {
                self.same(*ours, other, *theirs)
            }
            (Kind::Union(ours), Kind::Union(theirs)) if ours.len() == theirs.len() => ours
                .iter()
                .zip(theirs)
                .try_for_each(|(ours, theirs)| self.same(*ours, other, *theirs)),
            (Kind::Record { .. } | Kind::Union(_), _) => differ(),
            (ours, theirs) if ours == theirs => Ok(()),
            _ => differ(),
        }
    }

    pub(crate) fn root(&self) -> Id {
        self.root
    }

    pub(crate) fn get(&self, id: Id) -> &Type {
        &self.types[id]
    }

    pub(crate) fn kind(&self, id: Id) -> &Kind {
        &self.types[id].kind
    }

    /// The type as people write it.
    pub(crate) fn name(&self, id: Id) -> String {
        match self.kind(id) {
            Kind::Null => "null".into(),
            Kind::Boolean => "boolean".into(),
            Kind::Int => "int".into(),
            Kind::Long => "long".into(),
            Kind::Float => "float".into(),
            Kind::Double => "double".into(),
            Kind::Bytes => "bytes".into(),
            Kind::String => "string".into(),
            Kind::Record { name, .. } => format!("record {name}"),
            Kind::Enum(_) => "enum".into(),
            Kind::Array(_) => "array".into(),
            Kind::Map(_) => "map".into(),
            Kind::Union(branches) => {
                let names: Vec<_> = branches.iter().map(|branch| self.name(*branch)).collect();
                format!("union of {}", names.join(", "))
            }
            Kind::Fixed(size) => format!("fixed of {size} bytes"),
        }
    }
}

#[derive(Default)]
struct Parse {
    types: Vec<Type>,
    /// By their full names.
    named: HashMap<String, Id>,
}

impl Parse {
    fn add(&mut self, kind: Kind, logical: Option<Logical>) -> Id {
        self.types.push(Type { kind, logical });
        self.types.len() - 1
    }

    /// Reads a type; names without a namespace are of this one.
    fn read(&mut self, json: &Value, namespace: Option<&str>) -> Result<Id, String> {
        match json {
            Value::String(name) => self.by_name(name, namespace),
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.read(branch, namespace));
                let branches = branches.collect::<Result<Vec<_>, _>>()?;
                Ok(self.add(Kind::Union(branches), None))
            }
            Value::Object(object) => self.object(object, namespace),
            other => Err(format!("has {other} where there should be a type")),
        }
    }

    fn by_name(&mut self, name: &str, namespace: Option<&str>) -> Result<Id, String> {
        if let Some(kind) = primitive(name) {
            return Ok(self.add(kind, None));
        }
        let full = full_name(name, namespace);
        let known = self.named.get(&full).or_else(|| self.named.get(name));
        known
            .copied()
            .ok_or_else(|| format!("names a type '{full}' that it does not define"))
    }

    fn object(&mut self, object: &Map<String, Value>, namespace: Option<&str>) -> Result<Id, String> {
        let name = match object.get("type") {
            Some(Value::String(name)) => name.as_str(),
            // A type in parentheses, as it were.
            Some(inner) => return self.read(inner, namespace),
            None => return Err("has a type without 'type'".into()),
        };
        let logical = logical(object);
        match name {
            "record" | "error" => self.record(object, namespace),
            "enum" => {
                let symbols = object.get("symbols").and_then(Value::as_array);
                let symbols = symbols.ok_or("has an enum without 'symbols'")?;
                let symbols = symbols.iter().map(|symbol| symbol.as_str().map(str::to_owned));
                let symbols = symbols
                    .collect::<Option<_>>()
                    .ok_or("has an enum with a symbol that is no text")?;
                let id = self.add(Kind::Enum(symbols), None);
                self.name(object, namespace, id).map(|_| id)
            }
            "fixed" => {
                let size = object
                    .get("size")
                    .and_then(Value::as_u64)
                    .and_then(|size| usize::try_from(size).ok());
                let id = self.add(Kind::Fixed(size.ok_or("has a fixed without 'size'")?), logical);
                self.name(object, namespace, id).map(|_| id)
            }
            "array" => {
                let item = object.get("items").ok_or("has an array without 'items'")?;
                let item = self.read(item, namespace)?;
                Ok(self.add(Kind::Array(item), None))
            }
            "map" => {
                let value = object.get("values").ok_or("has a map without 'values'")?;
                let value = self.read(value, namespace)?;
                Ok(self.add(Kind::Map(value), None))
            }
            name => match primitive(name) {
                Some(kind) => Ok(self.add(kind, logical)),
                None => self.by_name(name, namespace),
            },
        }
    }

    fn record(&mut self, object: &Map<String, Value>, namespace: Option<&str>) -> Result<Id, String> {
        // It has its name before its fields are read: they may be of its type.
        let id = self.add(Kind::Null, None);
        let (name, inner) = self.name(object, namespace, id)?;
        let fields = object.get("fields").and_then(Value::as_array);
        let fields = fields.ok_or_else(|| format!("has a record '{name}' without 'fields'"))?;
        let mut read: Vec<Field> = Vec::with_capacity(fields.len());
        for field in fields {
            let field_name = field.get("name").and_then(Value::as_str);
            let field_name = field_name.ok_or_else(|| format!("has a field without a name in '{name}'"))?;
            if read.iter().any(|known| known.name == field_name) {
                return Err(format!("has two fields '{field_name}' in '{name}'"));
            }
            let field_type = field.get("type");
            let field_type =
                field_type.ok_or_else(|| format!("has a field '{field_name}' without a type in '{name}'"))?;
            read.push(Field {
                name: field_name.to_owned(),
                id: self.read(field_type, inner.as_deref())?,
            });
        }
        self.types[id].kind = Kind::Record { name, fields: read };
        Ok(id)
    }

    /// Gives a type its full name; returns that and its namespace, which holds in it.
    fn name(
        &mut self,
        object: &Map<String, Value>,
        namespace: Option<&str>,
        id: Id,
    ) -> Result<(String, Option<String>), String> {
        let name = object
            .get("name")
            .and_then(Value::as_str)
            .ok_or("has a type without the name that it needs")?;
        let own = object.get("namespace").and_then(Value::as_str).or(namespace);
        let full = full_name(name, own);
        if self.named.insert(full.clone(), id).is_some() {
            return Err(format!("defines '{full}' twice"));
        }
        let inner = full.rsplit_once('.').map(|(namespace, _)| namespace.to_owned());
        Ok((full, inner))
    }
}

fn full_name(name: &str, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) if !namespace.is_empty() && !name.contains('.') => format!("{namespace}.{name}"),
        _ => name.to_owned(),
    }
}

fn primitive(name: &str) -> Option<Kind> {
    Some(match name {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        _ => return None,
    })
}

/// The logical type, if it is one that is known and whole: others are left out of account, as the specification says.
fn logical(object: &Map<String, Value>) -> Option<Logical> {
    let number = |key: &str| {
        object
            .get(key)
            .and_then(Value::as_u64)
            .and_then(|number| u32::try_from(number).ok())
    };
    Some(match object.get("logicalType")?.as_str()? {
        "decimal" => Logical::Decimal {
            precision: number("precision").filter(|precision| *precision > 0)?,
            scale: number("scale").unwrap_or(0),
        },
        "date" => Logical::Date,
        "time-millis" => Logical::Time { per_second: 1_000 },
        "time-micros" => Logical::Time {
            per_second: 1_000_000,
        },
        "timestamp-millis" => timestamp(1_000, false),
        "timestamp-micros" => timestamp(1_000_000, false),
        "timestamp-nanos" => timestamp(1_000_000_000, false),
        "local-timestamp-millis" => timestamp(1_000, true),
        "local-timestamp-micros" => timestamp(1_000_000, true),
        "local-timestamp-nanos" => timestamp(1_000_000_000, true),
        "uuid" => Logical::Uuid,
        _ => return None,
    })
}

fn timestamp(per_second: i64, is_local: bool) -> Logical {
    Logical::Timestamp { per_second, is_local }
}

//! Secrets: what tables name by `${secret:name}` and nobody shall read in their definitions.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use crate::{
    OptionError, Table,
    options::{Options, invalid, nearest},
};

const OPEN: &str = "${secret:";
/// Shorter values are in too many other texts.
const LEAST_MASKED: usize = 4;

/// Values by name. Shows its names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl FromIterator<(String, String)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl Secrets {
    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Those that these texts name.
    pub fn named_in<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Self {
        let named: Vec<&str> = texts.flat_map(names).collect();
        let is_named = |(name, _): &(&str, &str)| named.contains(name);
        self.iter()
            .filter(is_named)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The table with the values in place of their names.
    pub fn resolve(&self, table: &Table) -> Result<Table, OptionError> {
        let options = table
            .options
            .iter()
            .map(|(key, value)| Ok((key.clone(), self.resolved(key, value)?.into_owned())));
        Ok(Table {
            options: options.collect::<Result<Options, OptionError>>()?,
            ..table.clone()
        })
    }

    fn resolved<'a>(&self, key: &str, text: &'a str) -> Result<Cow<'a, str>, OptionError> {
        if !text.contains(OPEN) {
            return Ok(Cow::Borrowed(text));
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(OPEN) {
            let (name, behind) = after
                .split_once('}')
                .ok_or_else(|| invalid(key, format!("'{OPEN}' is not closed: write ${{secret:name}}")))?;
            let value = self.0.get(name).ok_or_else(|| OptionError::Invalid {
                option: key.to_owned(),
                reason: format!("there is no secret named '{name}'"),
                suggestion: nearest(name, self.0.keys().map(String::as_str))
                    .map(|name| format!("${{secret:{name}}}")),
            })?;
            out.push_str(before);
            out.push_str(value);
            rest = behind;
        }
        out.push_str(rest);
        Ok(Cow::Owned(out))
    }

    /// The text with names in place of the values that are in it: whatever another system says of what it was told.
    pub fn mask(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        // The longest first: one may be within another.
        let mut values: Vec<_> = self
            .iter()
            .filter(|(_, value)| value.len() >= LEAST_MASKED)
            .collect();
        values.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        for (name, value) in values {
            if masked.contains(value) {
                masked = masked.replace(value, &format!("{OPEN}{name}}}"));
            }
        }
        masked
    }
}

/// The names of secrets in a text.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(OPEN)
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// Whether a text names a secret.
pub fn is_named_in(name: &str, text: &str) -> bool {
    names(text).any(|named| named == name)
}

/// Whether a secret may have this name: up to 64 letters, digits, `_`, `-` and `.`.
pub fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..=64).contains(&name.len()) && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::Schema;

    use super::*;

    fn secrets() -> Secrets {
        [("db", "hunter22"), ("db-long", "hunter22+more"), ("pin", "12")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect()
    }

    fn resolve(value: &str) -> Result<String, String> {
        let table = Table {
            name: "t".into(),
            connector: "c".into(),
            options: [("password".to_owned(), value.to_owned())].into(),
            schema: Arc::new(Schema::empty()),
        };
        let resolved = secrets().resolve(&table).map_err(|error| error.to_string())?;
        Ok(resolved.options["password"].clone())
    }

    #[test]
    fn names_are_replaced_by_values() {
        assert_eq!(resolve("plain $x ${y}").as_deref(), Ok("plain $x ${y}"));
        assert_eq!(resolve("${secret:db}").as_deref(), Ok("hunter22"));
        assert_eq!(resolve("a${secret:pin}b${secret:pin}").as_deref(), Ok("a12b12"));
        let error = resolve("${secret:bd}").expect_err("unknown");
        assert_eq!(error, "option 'password': there is no secret named 'bd'");
        let error = resolve("${secret:db").expect_err("not closed");
        assert!(error.contains("is not closed"), "{error}");
    }

    #[test]
    fn values_never_show() {
        let secrets = secrets();
        assert_eq!(
            secrets.mask("login hunter22+more or hunter22 failed 12 times"),
            "login ${secret:db-long} or ${secret:db} failed 12 times"
        );
        assert_eq!(format!("{secrets:?}"), r#"{"db", "db-long", "pin"}"#);
    }

    #[test]
    fn only_what_is_named_is_handed_on() {
        let texts = ["x ${secret:pin} y ${secret:none}", "${secret:db"];
        let named = secrets().named_in(texts.into_iter());
        assert_eq!(named.iter().collect::<Vec<_>>(), [("pin", "12")]);
        assert!(is_named_in("pin", texts[0]) && !is_named_in("db", texts[1]));
        assert!(is_name("a-B_1.x") && !is_name("") && !is_name("a b") && !is_name(&"a".repeat(65)));
    }
}

//! Prometheus' text exposition, format 0.0.4.

use std::fmt::Write as _;

/// The content type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text under construction: one family after the other.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    /// Begins a family. `kind` is `counter` or `gauge`.
    pub fn family(&mut self, name: &'static str, kind: &'static str, help: &str) -> Family<'_> {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family {
            exposition: self,
            name,
        }
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.text
    }

    fn put(&mut self, args: std::fmt::Arguments<'_>) {
        self.text
            .write_fmt(args)
            .expect("writing to a string never fails");
    }
}

/// A family to which samples are added.
#[derive(Debug)]
pub struct Family<'a> {
    exposition: &'a mut Exposition,
    name: &'static str,
}

impl Family<'_> {
    /// Adds a sample.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        let labels = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escape(value)))
            .collect::<Vec<_>>();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        self.exposition
            .put(format_args!("{}{labels} {value}\n", self.name));
    }
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_families_are_announced() {
        let mut text = Exposition::default();
        text.family("weir_rows_total", "counter", "rows")
            .sample(&[("job", "a \"b\"\\\nc")], 3.0);
        text.family("weir_workers", "gauge", "workers").sample(&[], 0.5);
        assert_eq!(
            text.into_text(),
            "# HELP weir_rows_total rows\n# TYPE weir_rows_total counter\n\
             weir_rows_total{job=\"a \\\"b\\\"\\\\\\nc\"} 3\n\
             # HELP weir_workers workers\n# TYPE weir_workers gauge\nweir_workers 0.5\n"
        );
    }
}

//! What people type, as the API wants it.

/// The tags in a text with commas between them: no empty ones, none twice.
pub fn tags(text: &str) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for tag in text.split(',').map(str::trim).filter(|t| !t.is_empty()) {
        if !tags.iter().any(|t| t == tag) {
            tags.push(tag.to_owned());
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_what_is_between_commas() {
        assert_eq!(tags(" before, the change ,,before"), ["before", "the change"]);
        assert!(tags(" , ").is_empty());
    }
}

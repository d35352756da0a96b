//! What Tab, Shift+Tab and Enter do to a text, as one replacement that the browser can undo.

use std::ops::Range;

/// One step of indentation.
pub const INDENT: &str = "  ";

/// A replacement within a text, and what is selected afterwards. In bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What goes.
    pub range: Range<usize>,
    /// What comes in its place.
    pub text: String,
    /// What is selected in the new text.
    pub selection: Range<usize>,
}

/// Tab: spaces at the caret; with a selection, its lines move right.
pub fn indent(text: &str, selection: Range<usize>) -> Edit {
    if selection.is_empty() {
        let caret = selection.start + INDENT.len();
        return Edit {
            range: selection,
            text: INDENT.to_owned(),
            selection: caret..caret,
        };
    }
    shift_lines(text, selection, |line| {
        if line.is_empty() {
            String::new()
        } else {
            format!("{INDENT}{line}")
        }
    })
}

/// Shift+Tab: the lines of the selection, or the caret's, move left.
pub fn outdent(text: &str, selection: Range<usize>) -> Edit {
    shift_lines(text, selection, |line| {
        let spaces = line.bytes().take(INDENT.len()).take_while(|b| *b == b' ').count();
        let tab = usize::from(line.starts_with('\t'));
        line[spaces.max(tab)..].to_owned()
    })
}

/// Enter: a new line with the indentation of this one.
pub fn new_line(text: &str, selection: Range<usize>) -> Edit {
    let line = &text[line_start(text, selection.start)..selection.start];
    let indentation = &line[..line.len() - line.trim_start().len()];
    let caret = selection.start + 1 + indentation.len();
    Edit {
        range: selection,
        text: format!("\n{indentation}"),
        selection: caret..caret,
    }
}

/// The place in UTF-16 units, which is how browsers count, of a place in bytes.
pub fn utf16_of(text: &str, byte: usize) -> u32 {
    text[..byte].encode_utf16().count() as u32
}

/// The place in bytes of a place in UTF-16 units; no further than the text's end.
pub fn byte_of(text: &str, utf16: u32) -> usize {
    let mut units = 0;
    for (at, c) in text.char_indices() {
        if units >= utf16 {
            return at;
        }
        units += c.len_utf16() as u32;
    }
    text.len()
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// Replaces whole lines. The selection keeps to the same characters as far as they are still there.
fn shift_lines(text: &str, selection: Range<usize>, shift: impl Fn(&str) -> String) -> Edit {
    let start = line_start(text, selection.start);
    let end = text[selection.end..]
        .find('\n')
        .map_or(text.len(), |end| selection.end + end);
    let before = &text[start..end];
    let lines: Vec<String> = before.split('\n').map(shift).collect();
    let first_grew = lines[0].len() as isize - before.split('\n').next().unwrap_or_default().len() as isize;
    let after = lines.join("\n");
    let all_grew = after.len() as isize - before.len() as isize;
    let selection_start = selection.start.saturating_add_signed(first_grew).max(start);
    let selection_end = selection.end.saturating_add_signed(all_grew).max(selection_start);
    Edit {
        range: start..end,
        text: after,
        selection: selection_start..selection_end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Selections are written with `[` and `]`, a caret with `|`.
    fn parse(marked: &str) -> (String, Range<usize>) {
        let marked = marked.replace('|', "[]");
        let start = marked.find('[').expect("a selection starts");
        let end = marked.find(']').expect("a selection ends") - 1;
        (marked.replace(['[', ']'], ""), start..end)
    }

    fn check(edit: fn(&str, Range<usize>) -> Edit, before: &str, after: &str) {
        let (mut text, selection) = parse(before);
        let Edit {
            range,
            text: with,
            selection,
        } = edit(&text, selection);
        text.replace_range(range, &with);
        assert_eq!((text, selection), parse(after), "after {before:?}");
    }

    #[test]
    fn tab_inserts_spaces_or_moves_the_selected_lines() {
        check(indent, "a|b", "a  |b");
        check(indent, "a\nb[c\n\nd]e\nf", "a\n  b[c\n\n  d]e\nf");
    }

    #[test]
    fn shift_tab_moves_lines_left_as_far_as_there_are_spaces() {
        check(outdent, "    a|", "  a|");
        check(outdent, " a|", "a|");
        check(outdent, "\ta|", "a|");
        check(outdent, "|a", "|a");
        check(outdent, "  | a", "| a");
        check(outdent, "x\n  [b\n    c]\ny", "x\n[b\n  c]\ny");
    }

    #[test]
    fn enter_keeps_the_indentation() {
        check(new_line, "a|b", "a\n|b");
        check(new_line, "x\n    a|b", "x\n    a\n    |b");
        check(new_line, "  [abc]d", "  \n  |d");
        check(new_line, "  |  a", "  \n  |  a");
    }

    #[test]
    fn places_convert_both_ways() {
        let text = "aü💧b";
        for (at, _) in text.char_indices() {
            assert_eq!(byte_of(text, utf16_of(text, at)), at);
        }
        assert_eq!(utf16_of(text, text.len()), 5);
        assert_eq!(byte_of(text, 99), text.len());
    }
}

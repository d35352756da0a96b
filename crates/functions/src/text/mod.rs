//! Functions of texts.
//!
//! - `cut`: parts of texts, padding, repetition.
//! - `find`: where a text stands in another, splitting and replacing.

mod cut;
mod find;

use crate::define::{BOOL, Def, INT, TEXT, Takes, def};

use Takes::{Int, Text};

pub(crate) const FUNCTIONS: &[Def] = &[
    def("ASCII", &[Text], INT, cut::ascii),
    def("BTRIM", &[Text, Text], TEXT, cut::trim).optional(1),
    def("CHR", &[Int], TEXT, cut::chr),
    def("CONCAT", &[Text], TEXT, cut::concat).repeats(),
    def("CONCAT_WS", &[Text, Text], TEXT, cut::concat_ws)
        .repeats()
        .optional(1),
    def("ELT", &[Int, Text], TEXT, cut::elt).repeats(),
    def("INITCAP", &[Text], TEXT, cut::initcap),
    def("LEFT", &[Text, Int], TEXT, cut::left),
    def("LPAD", &[Text, Int, Text], TEXT, cut::lpad),
    def("LTRIM", &[Text, Text], TEXT, cut::ltrim).optional(1),
    def("OVERLAY", &[Text, Text, Int, Int], TEXT, cut::overlay).optional(1),
    def("REPEAT", &[Text, Int], TEXT, cut::repeat),
    def("REVERSE", &[Text], TEXT, cut::reverse),
    def("RIGHT", &[Text, Int], TEXT, cut::right),
    def("RPAD", &[Text, Int, Text], TEXT, cut::rpad),
    def("RTRIM", &[Text, Text], TEXT, cut::rtrim).optional(1),
    def("SUBSTRING", &[Text, Int, Int], TEXT, cut::substring).optional(1),
    def("ENDSWITH", &[Text, Text], BOOL, find::ends_with),
    def("INSTR", &[Text, Text], INT, find::instr),
    def("LOCATE", &[Text, Text, Int], INT, find::locate).optional(1),
    def("REPLACE", &[Text, Text, Text], TEXT, find::replace),
    def("SPLIT_INDEX", &[Text, Takes::Any, Int], TEXT, find::split_index),
    def("STARTSWITH", &[Text, Text], BOOL, find::starts_with),
    def("TRANSLATE", &[Text, Text, Text], TEXT, find::translate),
    def("IS_ALPHA", &[Text], BOOL, find::is_alpha),
    def("IS_DECIMAL", &[Text], BOOL, find::is_decimal),
    def("IS_DIGIT", &[Text], BOOL, find::is_digit),
];

#[cfg(test)]
mod tests {
    use datafusion_common::ScalarValue;

    use crate::testing::{call, check, int, text};

    #[test]
    fn parts_are_cut_as_flink_cuts_them() {
        use crate::testing::text as s;
        check("SUBSTRING", &[s("hällo"), int(2)], Some("ällo"));
        check("SUBSTRING", &[s("hällo"), int(2), int(3)], Some("äll"));
        check("SUBSTRING", &[s("hello"), int(0), int(2)], Some("he"));
        check("SUBSTRING", &[s("hello"), int(-3), int(2)], Some("ll"));
        check("SUBSTRING", &[s("abc"), int(-5), int(3)], Some("a"));
        check("SUBSTRING", &[s("abc"), int(2), int(-1)], Some(""));
        check("SUBSTRING", &[s("abc"), int(9)], Some(""));
        check("LEFT", &[s("abc"), int(2)], Some("ab"));
        check("LEFT", &[s("abc"), int(-1)], Some(""));
        check("RIGHT", &[s("äbc"), int(9)], Some("äbc"));
        check("RIGHT", &[s("abc"), int(2)], Some("bc"));
        check("LPAD", &[s("hi"), int(4), s("??")], Some("??hi"));
        check("LPAD", &[s("hi"), int(1), s("??")], Some("h"));
        check("LPAD", &[s("hi"), int(5), s("xy")], Some("xyxhi"));
        check("RPAD", &[s("hi"), int(5), s("xy")], Some("hixyx"));
        check("RPAD", &[s("hi"), int(5), s("")], None);
        check("LPAD", &[s("hi"), int(-1), s("x")], None);
        check("OVERLAY", &[s("xxxxxtest"), s("xxxx"), int(6)], Some("xxxxxxxxx"));
        check(
            "OVERLAY",
            &[s("xxxxxtest"), s("xxxx"), int(6), int(2)],
            Some("xxxxxxxxxst"),
        );
        check("OVERLAY", &[s("abc"), s("x"), int(9)], Some("abc"));
        check("INITCAP", &[s("HELLO wORLD 1st-x")], Some("Hello World 1st-X"));
        check("CONCAT", &[s("a"), s(None::<&str>), s("b")], None);
        check(
            "CONCAT_WS",
            &[s("~"), s("a"), s(None::<&str>), s("b")],
            Some("a~b"),
        );
        check("CONCAT_WS", &[s(None::<&str>), s("a")], None);
        check("CHR", &[int(97)], Some("a"));
        check("CHR", &[int(353)], Some("a"));
        check("CHR", &[int(-1)], Some(""));
        check("ELT", &[int(2), s("a"), s("b")], Some("b"));
        check("ELT", &[int(3), s("a"), s("b")], None);
        check("REVERSE", &[s("añb")], Some("bña"));
        check("REPEAT", &[s("ab"), int(-1)], Some(""));
        check("BTRIM", &[s("  a b ")], Some("a b"));
        check("LTRIM", &[s("xxyab"), s("yx")], Some("ab"));
        check("RTRIM", &[s("\ta ")], Some("\ta"));
    }

    #[test]
    fn texts_are_searched_as_flink_searches_them() {
        use crate::testing::text as s;
        check("SPLIT_INDEX", &[s("a,b,,c"), s(","), int(3)], Some("c"));
        check("SPLIT_INDEX", &[s("a,b,,c"), s(","), int(2)], Some(""));
        check("SPLIT_INDEX", &[s("a,b"), s(","), int(2)], None);
        check("SPLIT_INDEX", &[s("a,b"), s(","), int(-1)], None);
        check("SPLIT_INDEX", &[s(""), s(","), int(0)], None);
        check("SPLIT_INDEX", &[s("a--b--"), s("--"), int(2)], Some(""));
        check("SPLIT_INDEX", &[s("a b"), s(""), int(1)], Some("b"));
        check("SPLIT_INDEX", &[s("a,b"), int(44), int(1)], Some("b"));
        check(
            "REPLACE",
            &[s("hello world"), s("world"), s("flink")],
            Some("hello flink"),
        );
        check("REPLACE", &[s("ab"), s(""), s("x")], Some("xaxbx"));
        check("REPLACE", &[s("cäccbc"), s("c"), s("")], Some("äb"));
        check("REPLACE", &[s("ccc"), s("c"), s("")], Some(""));
        check("TRANSLATE", &[s("www.a.org"), s("wapor"), s("W")], Some("WWW..g"));
        let number = |name, args: &[ScalarValue], expected| {
            assert_eq!(
                call(name, args),
                Ok(ScalarValue::Int32(expected)),
                "{name} of {args:?}"
            );
        };
        number("INSTR", &[s("äbcb"), s("b")], Some(2));
        number("INSTR", &[s("abc"), s("x")], Some(0));
        number("LOCATE", &[s("b"), s("abcb"), int(3)], Some(4));
        number("LOCATE", &[s(""), s("abc")], Some(1));
        number("ASCII", &[s("abc")], Some(97));
        number("ASCII", &[s("")], Some(0));
        let truth = |name, arg: &str, expected| {
            assert_eq!(
                call(name, &[s(arg)]),
                Ok(ScalarValue::Boolean(Some(expected))),
                "{name} {arg}"
            );
        };
        truth("IS_DIGIT", "12", true);
        truth("IS_DIGIT", "1.2", false);
        truth("IS_DECIMAL", "-1.2", true);
        truth("IS_DECIMAL", "x", false);
        truth("IS_ALPHA", "abc", true);
        truth("IS_ALPHA", "a1", false);
        truth("IS_ALPHA", "", false);
    }

    #[test]
    fn arguments_of_other_types_and_numbers_are_refused() {
        let error = |args: &[ScalarValue]| call("LEFT", args).expect_err("refused");
        assert!(error(&[int(1), int(1)]).contains("argument 1 of LEFT must be a STRING"));
        assert!(error(&[text("a")]).contains("LEFT takes 2 arguments, 1 are given"));
    }
}

//! The pattern of MATCH_RECOGNIZE: variables with quantifiers.

use datafusion_common::Result;
use sqlparser::ast::{Ident, MatchRecognizePattern as Ast, MatchRecognizeSymbol, RepetitionQuantifier};
use weir_model::Location;

use super::{NOWHERE, refuse};
use crate::error::{self, place};

/// Variables of a pattern at most.
const MAX_VARIABLES: usize = 64;

/// A variable of the pattern with its quantifier.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Quantified {
    /// Its name.
    pub name: String,
    /// Rows that it takes at least.
    pub min: u32,
    /// Rows that it takes at most; none: any number.
    pub max: Option<u32>,
    /// Whether rows that fulfil its condition are never left to the variables behind it.
    pub is_greedy: bool,
    /// The quantifier as it is written.
    pub text: String,
}

/// The variables of a pattern in order, as far as Flink takes it; those of an empty pattern stand at `at`.
pub(super) fn variables(pattern: &Ast, at: Location) -> Result<Vec<Quantified>> {
    let mut found: Vec<(Quantified, Location)> = Vec::new();
    collect(pattern, at, &mut found)?;
    for (index, (variable, at)) in found.iter().enumerate() {
        if found[..index]
            .iter()
            .any(|(other, _)| other.name == variable.name)
        {
            return refuse(error::invalid(
                *at,
                format!(
                    "the pattern names '{}' twice: give each place in it a variable of its own",
                    variable.name
                ),
            ));
        }
    }
    if found.len() > MAX_VARIABLES {
        return refuse(error::unsupported(
            at,
            format!("a pattern has at most {MAX_VARIABLES} variables"),
        ));
    }
    if found.iter().all(|(v, _)| v.min == 0) {
        let at = found.first().map_or(at, |(_, at)| *at);
        return refuse(error::unsupported(
            at,
            "a pattern that no row can match is not supported, as in Flink: one variable at least takes a row",
        ));
    }
    if let Some((last, at)) = found.last().filter(|(v, _)| v.is_greedy) {
        return refuse(error::unsupported(
            *at,
            format!(
                "the last variable of a pattern cannot be greedy, as in Flink: write {}{}? or add a variable that says where it ends",
                last.name, last.text
            ),
        ));
    }
    Ok(found.into_iter().map(|(variable, _)| variable).collect())
}

fn collect(pattern: &Ast, at: Location, found: &mut Vec<(Quantified, Location)>) -> Result<()> {
    match pattern {
        Ast::Concat(parts) => parts.iter().try_for_each(|part| collect(part, at, found)),
        Ast::Group(inner) => collect(inner, at, found),
        Ast::Symbol(MatchRecognizeSymbol::Named(name)) => {
            found.push((quantified(name, None, false)?, place(name.span, at)));
            Ok(())
        }
        Ast::Repetition(inner, quantifier) => {
            let (symbol, quantifier, is_reluctant) = match (inner.as_ref(), quantifier) {
                (Ast::Repetition(symbol, inner), RepetitionQuantifier::AtMostOne) => {
                    (symbol.as_ref(), inner, true)
                }
                (symbol, quantifier) => (symbol, quantifier, false),
            };
            let Some(name) = named(symbol) else {
                let first = first_name(symbol).map_or(at, |name| place(name.span, at));
                return refuse(error::unsupported(
                    first,
                    "a quantifier of several variables in parentheses is not supported, as in Flink: quantify each variable",
                ));
            };
            found.push((
                quantified(name, Some(quantifier), is_reluctant)?,
                place(name.span, at),
            ));
            Ok(())
        }
        Ast::Symbol(_) | Ast::Exclude(_) | Ast::Permute(_) | Ast::Alternation(_) => refuse(
            error::unsupported(at, "this pattern is not supported, as in Flink"),
        ),
    }
}

/// The variable that a pattern is, perhaps in parentheses.
fn named(pattern: &Ast) -> Option<&Ident> {
    match pattern {
        Ast::Symbol(MatchRecognizeSymbol::Named(name)) => Some(name),
        Ast::Group(inner) => named(inner),
        _ => None,
    }
}

fn first_name(pattern: &Ast) -> Option<&Ident> {
    match pattern {
        Ast::Symbol(MatchRecognizeSymbol::Named(name)) => Some(name),
        Ast::Group(inner) | Ast::Repetition(inner, _) => first_name(inner),
        Ast::Concat(parts) => parts.iter().find_map(first_name),
        _ => None,
    }
}

fn quantified(
    name: &Ident,
    quantifier: Option<&RepetitionQuantifier>,
    is_reluctant: bool,
) -> Result<Quantified> {
    use RepetitionQuantifier as Q;
    let at = place(name.span, NOWHERE);
    let (min, max) = match quantifier {
        None => (1, Some(1)),
        Some(Q::ZeroOrMore) => (0, None),
        Some(Q::OneOrMore) => (1, None),
        Some(Q::AtMostOne) => (0, Some(1)),
        Some(Q::Exactly(n)) => (*n, Some(*n)),
        Some(Q::AtLeast(n)) => (*n, None),
        Some(Q::AtMost(n)) => (0, Some(*n)),
        Some(Q::Range(from, to)) => (*from, Some(*to)),
    };
    if max.is_some_and(|max| max < min.max(1)) {
        return refuse(error::invalid(
            at,
            format!("the quantifier of '{}' allows no row", name.value),
        ));
    }
    let is_optional = (min, max) == (0, Some(1));
    if is_optional && is_reluctant {
        return refuse(error::unsupported(
            at,
            format!("{0}?? is not supported, as in Flink: write {0}?", name.value),
        ));
    }
    Ok(Quantified {
        name: name.value.clone(),
        min,
        max,
        // One that takes a fixed number of rows, or one or none, has nothing to give back.
        is_greedy: !is_reluctant && !is_optional && max != Some(min),
        text: quantifier.map_or_else(String::new, |q| {
            format!("{q}{}", if is_reluctant { "?" } else { "" })
        }),
    })
}

//! Functions OVER a window: refuses, with its place, what does not run; numbers in frames stay plain.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArguments, NamedWindowExpr, Query, Select, VisitMut, VisitorMut,
    WindowFrameBound, WindowSpec, WindowType,
};
use weir_model::{Location, Problem};

use super::{desugar, supported};
use crate::{
    error::{self, unsupported},
    logical::{functions, over, ranking},
};

/// Takes the types of numbers in frames away, which are counts and no values.
pub(super) fn plain_frames(query: &mut Query) {
    struct Frames;
    impl VisitorMut for Frames {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Function(function) = expr
                && let Some(WindowType::WindowSpec(window)) = &mut function.over
            {
                plain_frame(window);
            }
            ControlFlow::Continue(())
        }

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            for window in &mut select.named_window {
                if let NamedWindowExpr::WindowSpec(window) = &mut window.1 {
                    plain_frame(window);
                }
            }
            ControlFlow::Continue(())
        }
    }
    let _ = query.visit(&mut Frames);
}

fn plain_frame(window: &mut WindowSpec) {
    let Some(frame) = &mut window.window_frame else {
        return;
    };
    for bound in [&mut frame.start_bound].into_iter().chain(&mut frame.end_bound) {
        if let WindowFrameBound::Preceding(Some(rows)) | WindowFrameBound::Following(Some(rows)) = bound {
            **rows = desugar::uncast(rows).clone();
        }
    }
}

/// What is wrong with a function that has OVER; `own`: the functions that the script creates.
pub(super) fn check(function: &Function, name: &str, own: &[String], at: Location) -> Option<Problem> {
    if let Some(WindowType::WindowSpec(WindowSpec {
        window_name: Some(base),
        ..
    })) = &function.over
    {
        return Some(unsupported(
            at,
            format!(
                "a window that builds on '{base}' is not supported: write OVER {base}, or all of it in OVER (...)"
            ),
        ));
    }
    if own.iter().any(|f| f.eq_ignore_ascii_case(name)) {
        return None;
    }
    if functions::is_aggregate(name) && over::arity(name).is_none() {
        if functions::GROUPING.iter().any(|f| name.eq_ignore_ascii_case(f)) {
            return Some(error::invalid(
                at,
                format!("{name} is not a function OVER a window"),
            ));
        }
        return supported::aggregate(function, at);
    }
    let upper = name.to_uppercase();
    let arity = if name.eq_ignore_ascii_case(ranking::ROW_NUMBER) {
        0..=0
    } else {
        match over::arity(name) {
            Some(arity) => arity,
            None => return Some(unsupported(at, refusal(&upper))),
        }
    };
    let arguments = match &function.args {
        FunctionArguments::List(list) => {
            if !list.clauses.is_empty() || list.duplicate_treatment.is_some() {
                return Some(unsupported(
                    at,
                    format!("{upper} OVER a window takes no such clause"),
                ));
            }
            list.args.len()
        }
        _ => 0,
    };
    if function.null_treatment.is_some() {
        return Some(unsupported(
            at,
            format!(
                "IGNORE NULLS and RESPECT NULLS are not supported for {upper}: FIRST_VALUE and LAST_VALUE leave nulls out, LAG does not"
            ),
        ));
    }
    if function.filter.is_some() {
        return Some(error::invalid(
            at,
            format!("{upper} takes no FILTER: only aggregates do"),
        ));
    }
    (!arity.contains(&arguments)).then(|| {
        let takes = if arity.start() == arity.end() {
            arity.start().to_string()
        } else {
            format!("{} to {}", arity.start(), arity.end())
        };
        error::type_error(
            at,
            format!("{upper} takes {takes} arguments, {arguments} are given"),
        )
    })
}

fn refusal(name: &str) -> String {
    let hint = match name {
        "LEAD" => "it would wait for rows that come later: look back from them by LAG",
        "NTILE" | "PERCENT_RANK" | "CUME_DIST" => {
            "it needs all rows of a key, and a stream has no last one: number rows by ROW_NUMBER, RANK or DENSE_RANK"
        }
        _ => "aggregate functions, ROW_NUMBER, RANK, DENSE_RANK, LAG, FIRST_VALUE and LAST_VALUE are",
    };
    format!("{name} is not supported OVER a window: {hint}")
}

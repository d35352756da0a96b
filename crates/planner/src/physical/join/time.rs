//! Joins of rows that meet within a time: intervals between event times, and equal windows.

use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::{Between, BinaryExpr, Expr, Operator, utils::split_conjunction};

use crate::physical::lower::{Rel, Role, role};

/// What is known of the time of pairs of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meeting {
    /// They belong to the same window, whose end is a column of both sides.
    Window,
    /// The left time less the right time is within these, ms.
    Interval(i64, i64),
    /// The same of the times at which they pass.
    Passing(i64, i64),
}

/// Two sides of a join.
pub(super) struct Sides<'a> {
    pub(super) rels: [&'a Rel; 2],
    pub(super) schemas: [&'a DFSchema; 2],
}

impl Sides<'_> {
    /// What a join's conditions say of time: equal expressions of both sides, and the rest.
    pub(super) fn meeting(
        &self,
        lefts: &[Expr],
        rights: &[Expr],
        residual: Option<&Expr>,
    ) -> Option<Meeting> {
        let keys: Vec<(&Expr, &Expr)> = lefts.iter().zip(rights).collect();
        if self.rels.iter().any(|rel| rel.updates.is_some()) {
            return None;
        }
        if self.share_window(&keys) {
            return Some(Meeting::Window);
        }
        // Of event times, and of the times at which rows pass.
        let mut bounds = [Bounds::default(), Bounds::default()];
        for (left, right) in keys {
            self.compare(left, Operator::Eq, right, &mut bounds);
        }
        for part in residual.into_iter().flat_map(split_conjunction) {
            match part {
                Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                    self.compare(left, *op, right, &mut bounds);
                }
                Expr::Between(Between {
                    expr,
                    negated: false,
                    low,
                    high,
                }) => {
                    self.compare(expr, Operator::GtEq, low, &mut bounds);
                    self.compare(expr, Operator::LtEq, high, &mut bounds);
                }
                _ => {}
            }
        }
        let [event, passing] = bounds.map(|bounds| Some((bounds.least?, bounds.most?)));
        event
            .map(|(least, most)| Meeting::Interval(least, most))
            .or_else(|| passing.map(|(least, most)| Meeting::Passing(least, most)))
    }

    fn share_window(&self, keys: &[(&Expr, &Expr)]) -> bool {
        let windows = self.rels.map(|rel| rel.window.as_ref().map(|w| w.windows));
        let equal = |part: usize| {
            keys.iter().any(|(left, right)| {
                role(left, self.rels[0], self.schemas[0]) == Role::Window(part)
                    && role(right, self.rels[1], self.schemas[1]) == Role::Window(part)
            })
        };
        windows[0].is_some() && windows[0] == windows[1] && equal(0) && equal(1)
    }

    fn compare(&self, a: &Expr, op: Operator, b: &Expr, bounds: &mut [Bounds; 2]) {
        let (Some(a), Some(b)) = (self.moment(a), self.moment(b)) else {
            return;
        };
        let apart = b.ms.checked_sub(a.ms);
        let Some(apart) = apart.filter(|_| a.side != b.side && a.is_passing == b.is_passing) else {
            return;
        };
        let bounds = &mut bounds[usize::from(a.is_passing)];
        // left - right <op> apart, or right - left <op> apart.
        let (op, apart) = if a.side == 0 {
            (Some(op), apart)
        } else {
            (op.swap(), -apart)
        };
        match op {
            Some(Operator::Eq) => {
                bounds.at_least(apart);
                bounds.at_most(apart);
            }
            Some(Operator::GtEq) => bounds.at_least(apart),
            Some(Operator::Gt) => bounds.at_least(apart + 1),
            Some(Operator::LtEq) => bounds.at_most(apart),
            Some(Operator::Lt) => bounds.at_most(apart - 1),
            _ => {}
        }
    }

    /// The time of a side that an expression is, if it is one.
    fn moment(&self, expr: &Expr) -> Option<Moment> {
        match expr {
            Expr::Column(column) => {
                let side = usize::from(self.schemas[0].index_of_column(column).is_err());
                let role = role(expr, self.rels[side], self.schemas[side]);
                let is_passing = role == Role::ProcessingTime;
                (is_passing || role.is_event_time()).then_some(Moment {
                    side,
                    is_passing,
                    ms: 0,
                })
            }
            Expr::Alias(alias) => self.moment(&alias.expr),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let moment = self.moment(left)?;
                let by = interval_ms(right)?;
                let ms = match op {
                    Operator::Plus => moment.ms.checked_add(by)?,
                    Operator::Minus => moment.ms.checked_sub(by)?,
                    _ => return None,
                };
                Some(Moment { ms, ..moment })
            }
            _ => None,
        }
    }
}

/// The time of a side, and how much is added to it.
struct Moment {
    side: usize,
    /// Whether it is the time at which rows pass.
    is_passing: bool,
    ms: i64,
}

/// What times of pairs may be apart, ms.
#[derive(Default)]
struct Bounds {
    least: Option<i64>,
    most: Option<i64>,
}

impl Bounds {
    fn at_least(&mut self, ms: i64) {
        self.least = Some(self.least.map_or(ms, |known| known.max(ms)));
    }

    fn at_most(&mut self, ms: i64) {
        self.most = Some(self.most.map_or(ms, |known| known.min(ms)));
    }
}

fn interval_ms(expr: &Expr) -> Option<i64> {
    const DAY_MS: i64 = 86_400_000;
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(v)), _)
            if v.months == 0 && v.nanoseconds % 1_000_000 == 0 =>
        {
            (i64::from(v.days) * DAY_MS).checked_add(v.nanoseconds / 1_000_000)
        }
        Expr::Literal(ScalarValue::IntervalDayTime(Some(v)), _) => {
            Some(i64::from(v.days) * DAY_MS + i64::from(v.milliseconds))
        }
        _ => None,
    }
}

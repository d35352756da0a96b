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
        let mut bounds = Bounds::default();
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
        Some(Meeting::Interval(bounds.least?, bounds.most?))
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

    fn compare(&self, a: &Expr, op: Operator, b: &Expr, bounds: &mut Bounds) {
        let (Some((a_side, a_ms)), Some((b_side, b_ms))) = (self.moment(a), self.moment(b)) else {
            return;
        };
        let Some(apart) = b_ms.checked_sub(a_ms).filter(|_| a_side != b_side) else {
            return;
        };
        // left - right <op> apart, or right - left <op> apart.
        let (op, apart) = if a_side == 0 {
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

    /// The side whose event time an expression is, and how much is added to it, ms.
    fn moment(&self, expr: &Expr) -> Option<(usize, i64)> {
        match expr {
            Expr::Column(column) => {
                let side = usize::from(self.schemas[0].index_of_column(column).is_err());
                let role = role(expr, self.rels[side], self.schemas[side]);
                role.is_event_time().then_some((side, 0))
            }
            Expr::Alias(alias) => self.moment(&alias.expr),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let (side, ms) = self.moment(left)?;
                let by = interval_ms(right)?;
                match op {
                    Operator::Plus => Some((side, ms.checked_add(by)?)),
                    Operator::Minus => Some((side, ms.checked_sub(by)?)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
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

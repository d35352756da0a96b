//! Shares of time as a bar.

use leptos::prelude::*;
use weir_ui_logic::format;

/// The busy and the backpressured share of a subtask's time; the rest it waits for input.
#[component]
pub(crate) fn LoadBar(busy: f64, backpressured: f64) -> impl IntoView {
    let width = |share: f64| format!("{:.1}%", share.clamp(0.0, 1.0) * 100.0);
    let label = format!(
        "busy {}, backpressured {}",
        format::percent(busy),
        format::percent(backpressured)
    );
    view! {
        <span class="bar" role="img" aria-label=label.clone() title=label>
            <span class="bar-busy" style:width=width(busy)></span>
            <span class="bar-backpressured" style:width=width(backpressured)></span>
        </span>
    }
}

/// How much of something is taken.
#[component]
pub(crate) fn UsageBar(used: u32, total: u32) -> impl IntoView {
    let share = f64::from(used) / f64::from(total.max(1));
    view! {
        <span class="bar" aria-hidden="true">
            <span class="bar-used" style:width=format!("{:.1}%", share.clamp(0.0, 1.0) * 100.0)></span>
        </span>
    }
}

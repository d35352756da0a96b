//! What a job's `print` sinks wrote.

use std::time::Duration;

use leptos::prelude::*;
use weir_model::api::Output;
use weir_ui_logic::{
    format,
    table::{self, Cell, Table},
};

use crate::{
    api,
    followed::Followed,
    live,
    parts::states::{self, Empty},
};

const PERIOD: Duration = Duration::from_secs(1);
/// Rows per sink at first: more are seldom read, and drawing them each second is work.
const FEW_ROWS: usize = 200;

/// The last rows, refreshed while the job runs.
#[component]
pub(super) fn OutputTab(followed: Followed) -> impl IntoView {
    let id = followed.id;
    let output = live::poll(PERIOD, followed.may_grow(), move || async move {
        api::get::<Output>(&api::job_path(id, "/output")).await
    });
    // The last rows may be written after the last round of asking.
    Effect::new(move |_| {
        followed.phase.track();
        output.refresh();
    });
    let limit = RwSignal::new(FEW_ROWS);
    states::fetched(output, "rows", move || {
        move || {
            let (total, kept, tables) = output.value.with(|o| {
                let o = o.as_ref()?;
                Some((o.total_rows, o.rows.len(), table::tables(&o.rows, limit.get())))
            })?;
            if tables.is_empty() {
                return Some(view! { <NoRows followed=followed total=total /> }.into_any());
            }
            let shown: usize = tables.iter().map(|t| t.rows.len()).sum();
            Some(
                view! {
                    <div class="section-head">
                        <p class="page-sub" data-testid="output-total">{extent(total, shown)}</p>
                        {(kept > shown).then(|| view! {
                            <button type="button" class="button button-small" on:click=move |_| limit.set(usize::MAX)>
                                {format!("Show all {} that are kept", format::count(kept as u64))}
                            </button>
                        })}
                    </div>
                    {tables.into_iter().map(table_view).collect_view()}
                }
                .into_any(),
            )
        }
    })
}

/// The numbers are kept apart from the words that a reader might search for.
fn extent(total: u64, shown: usize) -> String {
    let rows = format::counted(total, "row");
    if shown as u64 == total {
        rows
    } else {
        format!("{rows}, the last {} shown", format::count(shown as u64))
    }
}

#[component]
fn NoRows(followed: Followed, total: u64) -> impl IntoView {
    let hint = if total > 0 {
        "Rows were printed, but none is kept any more."
    } else if followed.is_live().get_untracked() {
        "Rows appear here as soon as a sink with the 'print' connector writes one. Windows print when they close."
    } else {
        "Only sinks with the 'print' connector show their rows here, and none of them wrote any."
    };
    view! { <Empty title="No printed rows" hint=hint /> }
}

fn table_view(table: Table) -> impl IntoView {
    let Table { name, columns, rows } = table;
    let is_number: Vec<bool> = (0..columns.len())
        .map(|c| {
            rows.iter()
                .filter_map(|r| r[c].as_ref())
                .all(|cell| cell.is_number)
        })
        .collect();
    let head = columns
        .into_iter()
        .zip(is_number.clone())
        .map(|(column, number)| view! { <th scope="col" class:number=number>{column}</th> })
        .collect_view();
    let row = |cells: Vec<Option<Cell>>| {
        let cells = cells.into_iter().zip(is_number.clone());
        view! { <tr data-testid="output-row">{cells.map(|(cell, number)| cell_view(cell, number)).collect_view()}</tr> }
    };
    view! {
        <section class="output">
            <h2><code>{name}</code></h2>
            <div class="table-scroll">
                <table class="table table-data" data-testid="output-table">
                    <thead><tr>{head}</tr></thead>
                    <tbody>{rows.into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </section>
    }
}

fn cell_view(cell: Option<Cell>, number: bool) -> impl IntoView {
    match cell {
        Some(cell) => view! { <td class:number=number>{cell.text}</td> }.into_any(),
        None => view! { <td class="is-faint" class:number=number>"NULL"</td> }.into_any(),
    }
}

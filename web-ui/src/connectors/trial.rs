//! What came of testing a table.

use leptos::prelude::*;
use weir_model::api::{ConnectionTests, RoleTest, TableTest};

/// Role by role, and the rows that were read.
#[component]
pub(super) fn TrialView(tests: ConnectionTests) -> impl IntoView {
    view! {
        <section class="trial" data-testid="trial" role="status">
            {tests.tables.into_iter().map(of_table).collect_view()}
        </section>
    }
}

fn of_table(test: TableTest) -> impl IntoView {
    let TableTest {
        read,
        write,
        look_up,
        sample,
        ..
    } = test;
    let roles = [("Read", read), ("Write", write), ("Look up", look_up)];
    let roles = roles
        .into_iter()
        .filter_map(|(name, role)| role.map(|role| of_role(name, role)))
        .collect_view();
    let rows = (!sample.is_empty()).then(|| {
        let lines: Vec<_> = sample.iter().map(ToString::to_string).collect();
        view! {
            <h3>"Rows"</h3>
            <pre class="script" data-testid="sample">{lines.join("\n")}</pre>
        }
    });
    view! { {roles} {rows} }
}

fn of_role(name: &'static str, RoleTest { ok, problem }: RoleTest) -> impl IntoView {
    let tone = if ok { "good" } else { "bad" };
    let words = problem.map_or_else(|| "works".to_owned(), |problem| problem.detail);
    view! {
        <p class="trial-role" data-testid=format!("trial-{}", name.to_lowercase().replace(' ', "-"))>
            <span class="badge" data-tone=tone>{name}</span>
            {words}
        </p>
    }
}

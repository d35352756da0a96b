//! The SQL of a job.

use leptos::prelude::*;
use weir_ui_logic::sql;

use crate::followed::Followed;

/// The script, highlighted, to read and to select.
#[component]
pub(super) fn Script(followed: Followed) -> impl IntoView {
    let text = Memo::new(move |_| {
        followed
            .job
            .value
            .with(|j| j.as_ref().map_or(String::new(), |j| j.sql.clone()))
    });
    view! {
        <div class="code-view">
            <pre tabindex="0" aria-label="SQL of this job" data-testid="job-sql" inner_html=move || sql::to_html(&text.read(), None)></pre>
        </div>
    }
}

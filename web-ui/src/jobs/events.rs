//! The audit trail of a job.

use std::time::Duration;

use leptos::prelude::*;
use weir_model::api::{Event, EventList};
use weir_ui_logic::format;

use crate::{
    api,
    followed::Followed,
    live,
    parts::states::{self, Empty},
};

const PERIOD: Duration = Duration::from_secs(2);

/// Who or what did what, when; the newest first.
#[component]
pub(super) fn Events(followed: Followed) -> impl IntoView {
    let id = followed.id;
    let events = live::poll(PERIOD, followed.may_grow(), move || async move {
        api::get::<EventList>(&api::job_path(id, "/events")).await
    });
    followed.refresh_on_moves(events);
    let list = move || events.value.get().map(|l| l.events).unwrap_or_default();
    states::fetched(events, "events", move || {
        move || {
            if list().is_empty() {
                view! { <Empty title="No events" hint="Nothing has happened to this job yet." /> }.into_any()
            } else {
                view! {
                    <div class="table-scroll">
                        <table class="table" data-testid="events-table">
                            <thead>
                                <tr>
                                    <th scope="col">"Time, UTC"</th>
                                    <th scope="col">"Event"</th>
                                    <th scope="col">"What happened"</th>
                                    <th scope="col">"By"</th>
                                </tr>
                            </thead>
                            <tbody>{list().into_iter().map(row).collect_view()}</tbody>
                        </table>
                    </div>
                }
                .into_any()
            }
        }
    })
}

fn row(event: Event) -> impl IntoView {
    let Event {
        at_ms,
        actor,
        kind,
        message,
        ..
    } = event;
    view! {
        <tr data-testid="event-row" data-kind=kind.clone()>
            <td class="nowrap">{format::date_time(at_ms)}</td>
            <td class="nowrap"><code>{kind.clone()}</code></td>
            <td class="cell-text">{message}</td>
            <td class="nowrap">{actor}</td>
        </tr>
    }
}

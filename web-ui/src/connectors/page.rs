//! All connectors, one of them open.

use std::time::Duration;

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use weir_model::api::{ConnectorInfo, ConnectorList};

use super::form::TableFormView;
use crate::{
    api, live,
    parts::{set_title, states},
};

/// They change with the server's version alone.
const PERIOD: Duration = Duration::from_mins(10);

/// All connectors; the form of the one in the path is open.
#[component]
pub(crate) fn ConnectorsPage() -> impl IntoView {
    set_title("Connectors");
    let all = live::poll(PERIOD, true.into(), || api::get::<ConnectorList>("/connectors"));
    let params = use_params_map();
    let open = Memo::new(move |_| params.read().get("name").unwrap_or_default());
    let opened = Memo::new(move |_| {
        let name = open.get();
        all.value.with(|all| {
            let all = all.as_ref()?;
            let connector = all.connectors.iter().find(|connector| connector.name == name)?;
            Some((connector.clone(), all.formats.clone()))
        })
    });
    view! {
        <div class="page">
            <div class="page-head">
                <h1>"Connectors"</h1>
                <p class="page-sub">"What tables can be made of. Choose one to fill in a table and try it."</p>
            </div>
            {states::fetched(all, "connectors", move || view! {
                <div class="connectors">
                    <nav class="connector-list" aria-label="Connectors" data-testid="connector-list">
                        {move || all.value.with(|all| {
                            let connectors = all.iter().flat_map(|all| all.connectors.clone());
                            connectors.map(|connector| entry(connector, open)).collect_view()
                        })}
                    </nav>
                    <div class="connector-form">
                        {move || opened.get().map(|(connector, formats)| view! {
                            <TableFormView connector=connector formats=formats />
                        })}
                    </div>
                </div>
            })}
        </div>
    }
}

fn entry(connector: ConnectorInfo, open: Memo<String>) -> impl IntoView {
    let ConnectorInfo {
        name,
        summary,
        reads,
        writes,
        looks_up,
        ..
    } = connector;
    let roles = [(reads, "reads"), (writes, "writes"), (looks_up, "looks up")];
    let tags = roles
        .into_iter()
        .filter(|(can, _)| *can)
        .map(|(_, role)| view! { <span class="tag">{role}</span> })
        .collect_view();
    let href = format!("/connectors/{name}");
    let of_name = name.clone();
    let current = move || (*open.read() == of_name).then_some("page");
    view! {
        <a href=href aria-current=current data-testid=format!("connector-{name}")>
            <strong>{name.clone()}</strong>
            {tags}
            <span class="choice-hint">{summary}</span>
        </a>
    }
}

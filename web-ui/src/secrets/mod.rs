//! The secrets' page: names that tables take values by, which are set here and never shown.

use std::time::Duration;

use leptos::{ev::SubmitEvent, prelude::*, task::spawn_local};
use weir_model::api::{PutSecret, SecretInfo, SecretList};
use weir_ui_logic::format;

use crate::{
    api,
    live::{self, Clock, Fetched},
    parts::{
        dialog::Confirm,
        set_title,
        states::{self, Empty, ErrorNotice},
    },
};

const PERIOD: Duration = Duration::from_secs(5);

/// All secrets by name, and a form to set one.
#[component]
pub(crate) fn SecretsPage() -> impl IntoView {
    set_title("Secrets");
    let secrets = live::poll(PERIOD, true.into(), || api::get::<SecretList>("/secrets"));
    let error = RwSignal::new(None);
    // Rows are made anew only when something has changed: a question about one stays open.
    let list = Memo::new(move |_| secrets.value.get().map(|l| l.secrets).unwrap_or_default());
    view! {
        <div class="page">
            <div class="page-head">
                <h1>"Secrets"</h1>
                <p class="page-sub">
                    "A table takes one by " <code>"'password' = '${secret:name}'"</code>
                    ". They are kept sealed, and nothing shows a value again."
                </p>
            </div>
            <SecretForm secrets=secrets error=error />
            <ErrorNotice error=error />
            {states::fetched(secrets, "secrets", move || {
                move || if list.read().is_empty() {
                    view! { <Empty title="No secrets" hint="Set one above, or by:">
                        <pre class="command">"weir secrets set NAME"</pre>
                    </Empty> }.into_any()
                } else {
                    view! { <SecretsTable list=list.get() secrets=secrets error=error /> }.into_any()
                }
            })}
        </div>
    }
}

/// Sets a secret, or gives it another value.
#[component]
fn SecretForm(secrets: Fetched<SecretList>, error: RwSignal<Option<api::Error>>) -> impl IntoView {
    let (name, value) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let is_sending = RwSignal::new(false);
    let is_whole = move || !name.read().trim().is_empty() && !value.read().is_empty();
    let send = move |event: SubmitEvent| {
        event.prevent_default();
        let path = format!("/secrets/{}", name.get_untracked().trim());
        let body = PutSecret {
            value: value.get_untracked(),
        };
        is_sending.set(true);
        spawn_local(async move {
            let sent = api::put(&path, &body).await;
            if sent.is_ok() {
                name.try_set(String::new());
                value.try_set(String::new());
            }
            error.try_set(sent.err());
            is_sending.try_set(false);
            secrets.refresh();
        });
    };
    view! {
        <form class="bar-form" data-testid="secret-form" on:submit=send>
            <label class="field-inline">
                "Name"
                <input class="input" autocomplete="off" spellcheck="false" data-testid="secret-name" bind:value=name />
            </label>
            <label class="field-inline">
                "Value"
                <input
                    class="input input-wide"
                    type="password"
                    autocomplete="new-password"
                    data-testid="secret-value"
                    bind:value=value
                />
            </label>
            <button
                type="submit"
                class="button button-primary"
                data-testid="set-secret"
                disabled=move || is_sending.get() || !is_whole()
            >
                "Set"
            </button>
        </form>
    }
}

#[component]
fn SecretsTable(
    list: Vec<SecretInfo>,
    secrets: Fetched<SecretList>,
    error: RwSignal<Option<api::Error>>,
) -> impl IntoView {
    let row = move |secret: SecretInfo| view! { <Row secret=secret secrets=secrets error=error /> };
    view! {
        <div class="table-scroll">
            <table class="table" data-testid="secrets-table">
                <thead>
                    <tr>
                        <th scope="col">"Name"</th>
                        <th scope="col">"First set"</th>
                        <th scope="col">"Last set"</th>
                        <th scope="col"><span class="visually-hidden">"Delete"</span></th>
                    </tr>
                </thead>
                <tbody>{list.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
}

#[component]
fn Row(
    secret: SecretInfo,
    secrets: Fetched<SecretList>,
    error: RwSignal<Option<api::Error>>,
) -> impl IntoView {
    let now = Clock::now();
    let asks_delete = RwSignal::new(false);
    let time = move |at_ms: i64| {
        view! {
            <td title=format!("{} UTC", format::date_time(at_ms))>{move || format::ago(now.get() - at_ms)}</td>
        }
    };
    let path = format!("/secrets/{}", secret.name);
    let delete = move || {
        let path = path.clone();
        spawn_local(async move {
            let deleted = api::delete(&path).await;
            error.try_set(deleted.err());
            secrets.refresh();
        });
    };
    view! {
        <tr data-testid="secret-row">
            <td><code>{secret.name.clone()}</code></td>
            {time(secret.created_at_ms)}
            {time(secret.updated_at_ms)}
            <td class="number">
                <button
                    type="button"
                    class="button button-small button-danger"
                    aria-label=format!("Delete secret {}", secret.name)
                    data-testid=format!("delete-secret-{}", secret.name)
                    on:click=move |_| asks_delete.set(true)
                >
                    "Delete"
                </button>
                <Confirm
                    open=asks_delete
                    title="Delete this secret?"
                    text=format!("Scripts that name '{}' are refused from then on. Its value can't be brought back.", secret.name)
                    action="Delete"
                    keep="Keep it"
                    testid="confirm-delete-secret"
                    on_confirm=delete
                />
            </td>
        </tr>
    }
}

//! A form of a connector's options, and the statement that it makes.

use std::collections::BTreeMap;

use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use weir_model::api::{ConnectionTests, ConnectorInfo, FormatInfo, OptionInfo, OptionType, TestConnections};
use weir_ui_logic::ddl::{TableForm, create_table};

use super::trial::TrialView;
use crate::{api, editor, parts::states::ErrorNotice};

/// The state of the form.
#[derive(Clone, Copy)]
struct Form {
    name: RwSignal<String>,
    columns: RwSignal<String>,
    format: RwSignal<String>,
    /// Values by option.
    values: RwSignal<BTreeMap<String, String>>,
    is_testing: RwSignal<bool>,
    tests: RwSignal<Option<ConnectionTests>>,
    refusal: RwSignal<Option<api::Error>>,
}

/// What the connector may be told, the statement, and a button to try it.
#[component]
pub(super) fn TableFormView(connector: ConnectorInfo, formats: Vec<FormatInfo>) -> impl IntoView {
    let form = Form {
        name: RwSignal::new("my_table".into()),
        columns: RwSignal::new("id BIGINT,\nname STRING".into()),
        format: RwSignal::new(if connector.has_format { "json" } else { "" }.into()),
        values: RwSignal::default(),
        is_testing: RwSignal::new(false),
        tests: RwSignal::new(None),
        refusal: RwSignal::new(None),
    };
    let connector = StoredValue::new(connector);
    let formats = StoredValue::new(formats);
    let sql = Memo::new(move |_| connector.with_value(|connector| form.sql(connector)));
    // What came of a test is about the statement as it was.
    Effect::new(move |_| {
        sql.track();
        form.tests.set(None);
        form.refusal.set(None);
    });
    let navigate = use_navigate();
    let use_in_job = move |_| {
        editor::append_to_draft(&sql.get_untracked());
        navigate("/jobs/new", NavigateOptions::default());
    };
    let is_format = |option: &OptionInfo| option.key == "format";
    let (needed, others): (Vec<_>, Vec<_>) = connector.with_value(|connector| {
        let own = connector.options.iter().filter(|option| !is_format(option));
        own.cloned().partition(|option: &OptionInfo| option.required)
    });
    let more = others.len();
    view! {
        <section class="connector-head">
            <h2>{connector.with_value(|connector| connector.name.clone())}</h2>
            <p>{connector.with_value(|connector| connector.summary.clone())}</p>
        </section>
        <div class="connector-fields">
            <label class="field">
                <span class="field-name">"Table"</span>
                <input class="input" data-testid="table-name" bind:value=form.name />
            </label>
            <label class="field">
                <span class="field-name">"Columns"</span>
                <textarea class="input" rows="4" spellcheck="false" data-testid="table-columns" bind:value=form.columns />
            </label>
            {needed.into_iter().map(|option| field(form, option)).collect_view()}
            {connector.with_value(|connector| connector.has_format).then(|| format_field(form, formats))}
            {move || formats.with_value(|formats| {
                let format = form.format.get();
                let chosen = formats.iter().find(|known| known.name == format);
                chosen.map(|chosen| view! {
                    <details class="more">
                        <summary>{format!("Options of {}", chosen.name)}</summary>
                        {chosen.options.clone().into_iter().map(|option| field(form, option)).collect_view()}
                    </details>
                })
            })}
            {(more > 0).then(|| view! {
                <details class="more" data-testid="more-options">
                    <summary>{format!("{more} more options")}</summary>
                    {others.into_iter().map(|option| field(form, option)).collect_view()}
                </details>
            })}
        </div>
        <pre class="script" data-testid="statement">{sql}</pre>
        <div class="detail-actions">
            <button
                class="button button-primary"
                data-testid="test-connection"
                disabled=form.is_testing
                on:click=move |_| form.test(sql.get_untracked())
            >
                {move || if form.is_testing.get() { "Testing" } else { "Test connection" }}
            </button>
            <button class="button" data-testid="use-in-job" on:click=use_in_job>"Use in a new job"</button>
        </div>
        {move || form.refusal.get().map(|error| view! { <ErrorNotice error=error /> })}
        {move || form.tests.get().map(|tests| view! { <TrialView tests=tests /> })}
    }
}

impl Form {
    fn sql(self, connector: &ConnectorInfo) -> String {
        let mut options = vec![("connector".to_owned(), connector.name.clone())];
        let values = self.values.read();
        let value = |option: &OptionInfo| {
            let value = values.get(&option.key).cloned().unwrap_or_default();
            (option.key.clone(), value)
        };
        options.extend(
            connector
                .options
                .iter()
                .filter(|option| option.key != "format")
                .map(value),
        );
        if connector.has_format {
            let format = self.format.get();
            options.push(("format".to_owned(), format.clone()));
            let prefix = format!("{format}.");
            let of_format = values.iter().filter(|(key, _)| key.starts_with(&prefix));
            options.extend(of_format.map(|(key, value)| (key.clone(), value.clone())));
        }
        create_table(&TableForm {
            name: self.name.get(),
            columns: self.columns.get(),
            options,
        })
    }

    fn test(self, sql: String) {
        self.is_testing.set(true);
        self.tests.set(None);
        self.refusal.set(None);
        spawn_local(async move {
            let request = TestConnections {
                sql,
                sample_rows: None,
            };
            match api::post::<ConnectionTests>("/connections/test", &request).await {
                Ok(tests) => drop(self.tests.try_set(Some(tests))),
                Err(error) => drop(self.refusal.try_set(Some(error))),
            }
            self.is_testing.try_set(false);
        });
    }

    fn set(self, key: &str, value: String) {
        self.values.update(|values| {
            values.insert(key.to_owned(), value);
        });
    }
}

fn format_field(form: Form, formats: StoredValue<Vec<FormatInfo>>) -> impl IntoView {
    let names = formats.with_value(|formats| formats.iter().map(|f| f.name.clone()).collect::<Vec<_>>());
    view! {
        <label class="field">
            <span class="field-name">"format"</span>
            <select class="input" data-testid="option-format" bind:value=form.format>
                {names.into_iter().map(|name| view! { <option value=name.clone()>{name.clone()}</option> }).collect_view()}
            </select>
        </label>
    }
}

/// A field of an option, empty until it is filled in. Options that stand for many keys have none.
fn field(form: Form, option: OptionInfo) -> impl IntoView {
    let OptionInfo {
        key,
        kind,
        values,
        required,
        default,
        doc,
    } = option;
    if key.contains('#') || key.ends_with('*') {
        return ().into_any();
    }
    let words = match kind {
        OptionType::OneOf => values,
        OptionType::Boolean => vec!["true".to_owned(), "false".to_owned()],
        _ => Vec::new(),
    };
    let of_key = key.clone();
    let value = move || {
        form.values
            .with(|values| values.get(&of_key).cloned().unwrap_or_default())
    };
    let set_key = key.clone();
    let set = move |value: String| form.set(&set_key, value);
    let testid = format!("option-{key}");
    let placeholder = default.unwrap_or_default();
    let input = if words.is_empty() {
        view! {
            <input
                class="input"
                data-testid=testid
                placeholder=placeholder
                aria-required=required.then_some("true")
                prop:value=value
                on:input:target=move |event| set(event.target().value())
            />
        }
        .into_any()
    } else {
        let unset = if placeholder.is_empty() {
            "not set".to_owned()
        } else {
            format!("{placeholder} (default)")
        };
        view! {
            <select class="input" data-testid=testid prop:value=value on:change:target=move |event| set(event.target().value())>
                <option value="">{unset}</option>
                {words.into_iter().map(|word| view! { <option value=word.clone()>{word.clone()}</option> }).collect_view()}
            </select>
        }
        .into_any()
    };
    view! {
        <label class="field">
            <span class="field-name">{key}{required.then_some(view! { <span class="tag">"required"</span> })}</span>
            {input}
            <span class="choice-hint">{doc}</span>
        </label>
    }
    .into_any()
}

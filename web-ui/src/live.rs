//! Values kept fresh by asking again, the clock, and the event stream of a job.

use std::{future::Future, rc::Rc, time::Duration};

use leptos::{leptos_dom::helpers::set_interval_with_handle, prelude::*, task::spawn_local};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{EventSource, MessageEvent, VisibilityState};
use weir_model::{JobId, api::LiveUpdate};

use crate::api;

/// The time now, milliseconds since 1970, told each second to whoever reads it.
#[derive(Clone, Copy)]
pub(crate) struct Clock(RwSignal<i64>);

impl Clock {
    /// A clock that ticks as long as its owner lives; for the whole app, through the context.
    pub(crate) fn provide() {
        let now = RwSignal::new(now_ms());
        every(Duration::from_secs(1), move || now.set(now_ms()));
        provide_context(Self(now));
    }

    /// The app's clock.
    pub(crate) fn now() -> Signal<i64> {
        let Self(now) = use_context().expect("the app provides a clock");
        now.into()
    }
}

fn now_ms() -> i64 {
    js_sys::Date::now() as i64
}

/// Calls again and again until the owner is gone.
pub(crate) fn every(period: Duration, call: impl Fn() + 'static) {
    if let Ok(handle) = set_interval_with_handle(call, period) {
        on_cleanup(move || handle.clear());
    }
}

/// Something of the server's. After a failed refresh, the last value stays, beside the error.
pub(crate) struct Fetched<T: Send + Sync + 'static> {
    /// The last answer.
    pub(crate) value: RwSignal<Option<T>>,
    /// Why there is none, or no newer one.
    pub(crate) error: RwSignal<Option<api::Error>>,
    /// How many times it was asked for.
    asked: RwSignal<u32>,
    /// Which of these times is under way.
    under_way: StoredValue<Option<u32>>,
}

impl<T: Send + Sync + 'static> Clone for Fetched<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync + 'static> Copy for Fetched<T> {}

impl<T: Send + Sync + 'static> Fetched<T> {
    /// Asks now; if an answer is on its way, which may be about an older state, once more after it.
    pub(crate) fn refresh(&self) {
        self.asked.update(|n| *n += 1);
    }
}

/// Asks once, and again when told to.
pub(crate) fn fetch<T, F>(ask: impl Fn() -> F + 'static) -> Fetched<T>
where
    T: PartialEq + Send + Sync + 'static,
    F: Future<Output = api::Result<T>> + 'static,
{
    let fetched = Fetched {
        value: RwSignal::new(None),
        error: RwSignal::new(None),
        asked: RwSignal::new(0),
        under_way: StoredValue::new(None),
    };
    let ask = Rc::new(ask);
    Effect::new(move |_| {
        let asked = fetched.asked.get();
        if fetched.under_way.get_value().is_some() {
            return;
        }
        fetched.under_way.set_value(Some(asked));
        let answer = untrack(|| ask());
        spawn_local(async move {
            let answer = answer.await;
            // Handed back once the page is gone.
            if fetched.under_way.try_set_value(None).is_some() {
                return;
            }
            fetched.accept(answer);
            if fetched.asked.get_untracked() != asked {
                fetched.refresh();
            }
        });
    });
    fetched
}

/// Asks at once and, while the page is in view and `active`, once per period.
pub(crate) fn poll<T, F>(period: Duration, active: Signal<bool>, ask: impl Fn() -> F + 'static) -> Fetched<T>
where
    T: PartialEq + Send + Sync + 'static,
    F: Future<Output = api::Result<T>> + 'static,
{
    let fetched = fetch(ask);
    every(period, move || {
        let in_view = document().visibility_state() == VisibilityState::Visible;
        let is_idle = fetched.under_way.get_value().is_none();
        if in_view && is_idle && active.try_get_untracked() == Some(true) {
            fetched.refresh();
        }
    });
    fetched
}

impl<T: PartialEq + Send + Sync + 'static> Fetched<T> {
    /// Tells those who watch only of what is new.
    fn accept(self, answer: api::Result<T>) {
        match answer {
            Ok(value) => {
                if self.value.with_untracked(|old| old.as_ref() != Some(&value)) {
                    self.value.set(Some(value));
                }
                if self.error.with_untracked(Option::is_some) {
                    self.error.set(None);
                }
            }
            Err(error) => {
                if self.error.with_untracked(|old| old.as_ref() != Some(&error)) {
                    self.error.set(Some(error));
                }
            }
        }
    }
}

/// The event stream of a job: open as long as this lives. The browser connects again by itself.
pub(crate) struct Stream {
    source: EventSource,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_open: Closure<dyn FnMut()>,
    _on_error: Closure<dyn FnMut()>,
}

impl Stream {
    /// Opens it; `on_connection` hears when it is open and when it breaks.
    pub(crate) fn open(
        id: JobId,
        mut on_update: impl FnMut(LiveUpdate) + 'static,
        on_connection: impl Fn(bool) + 'static,
    ) -> Option<Self> {
        let source = EventSource::new(&api::url(&api::job_path(id, "/stream"))).ok()?;
        let on_connection = Rc::new(on_connection);
        let on_message = Closure::new(move |event: MessageEvent| {
            let update = event
                .data()
                .as_string()
                .and_then(|text| serde_json::from_str(&text).ok());
            if let Some(update) = update {
                on_update(update);
            }
        });
        let connected = Rc::clone(&on_connection);
        let on_open: Closure<dyn FnMut()> = Closure::new(move || connected(true));
        let on_error: Closure<dyn FnMut()> = Closure::new(move || on_connection(false));
        source.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        source.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        source.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Some(Self {
            source,
            _on_message: on_message,
            _on_open: on_open,
            _on_error: on_error,
        })
    }

    /// Whether the browser has given up on it.
    pub(crate) fn is_closed(&self) -> bool {
        self.source.ready_state() == EventSource::CLOSED
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.close();
        self.source.set_onmessage(None);
        self.source.set_onopen(None);
        self.source.set_onerror(None);
    }
}

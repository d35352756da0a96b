//! Live updates as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::{Stream, stream};
use tokio::sync::broadcast::{self, error::RecvError};
use weir_model::{JobId, Problem, api::LiveUpdate};

use super::{App, extract::JobPath, jobs::numbers, problem::ApiError};

/// The time between two updates when nothing happens.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watch a job
///
/// Server-sent events, each the whole picture as JSON: one at once, one about every second and one at each change of
/// phase. The stream ends after the update that shows a terminal phase.
#[utoipa::path(
    get, path = "/jobs/{id}/stream", tag = "jobs", params(("id" = JobId, Path, description = "the job's id")),
    responses(
        (status = 200, description = "updates", body = LiveUpdate, content_type = "text/event-stream"),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn stream(
    State(app): State<App>,
    JobPath(id): JobPath,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    // Watched before the first look, so that no move in between is missed.
    let moves = app.context.moves.watch();
    let first = update(&app, id).await?;
    let watch = Watch {
        app,
        id,
        moves,
        next: Some(first),
        ended: false,
    };
    let events = stream::unfold(watch, |mut watch| async move {
        let update = watch.next().await?;
        let event = Event::default()
            .json_data(&update)
            .unwrap_or_else(|error| Event::default().comment(error.to_string()));
        Some((Ok(event), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

struct Watch {
    app: App,
    id: JobId,
    moves: broadcast::Receiver<JobId>,
    next: Option<LiveUpdate>,
    ended: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<LiveUpdate> {
        if self.ended {
            return None;
        }
        loop {
            if let Some(update) = self.next.take() {
                self.ended = update.job.phase.is_terminal();
                return Some(update);
            }
            let shutdown = self.app.context.shutdown.clone();
            tokio::select! {
                () = shutdown.cancelled() => return None,
                () = self.app.context.clock.sleep(INTERVAL) => {}
                () = moved(&mut self.moves, self.id) => {}
            }
            match update(&self.app, self.id).await {
                Ok(update) => self.next = Some(update),
                // Deleted.
                Err(ApiError(problem)) if problem.status == 404 => return None,
                // Logged where it arose; the next look may succeed.
                Err(_) => {}
            }
        }
    }
}

/// Returns when the job moved, or when moves were missed.
async fn moved(moves: &mut broadcast::Receiver<JobId>, id: JobId) {
    loop {
        match moves.recv().await {
            Ok(job) if job != id => {}
            Ok(_) | Err(RecvError::Lagged(_)) => return,
            // The control plane stops.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

async fn update(app: &App, id: JobId) -> Result<LiveUpdate, ApiError> {
    let job = app.context.store.job(id).await?.to_api(String::new());
    Ok(LiveUpdate {
        metrics: numbers(app, id).await?,
        job,
    })
}

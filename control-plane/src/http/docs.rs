//! The OpenAPI document, made from the list of routes, and a page to read it.

use axum::{
    Router,
    http::header,
    response::{Html, IntoResponse},
    routing::get,
};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};

use super::App;

/// The document before any route is in it.
pub fn head() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Weir")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Jobs, workers and SQL of a Weir cluster. Every error is a problem document (RFC 9457) with a stable \
             `code`. Times are milliseconds since 1970 in UTC.",
        ))
        .build();
    OpenApiBuilder::new().info(info).build()
}

/// The document and the page.
pub fn routes(openapi: &OpenApi) -> Router<App> {
    let document = openapi.to_json().expect("the document is built from plain data");
    let json = move || {
        let document = document.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], document).into_response() }
    };
    Router::new()
        .route("/api/v1/openapi.json", get(json))
        .route("/api/docs", get(async || Html(include_str!("docs.html"))))
}

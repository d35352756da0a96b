//! The console's files, and what is answered for paths that nothing else serves.
//!
//! The files are in the binary of a release build; a debug build reads them from the source tree at each request.

use axum::{
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};
use weir_model::ErrorCode;

use super::problem::ApiError;

#[derive(RustEmbed)]
#[folder = "../web-ui/dist"]
#[allow_missing = true]
struct Files;

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Weir</title>\
    <body style=\"font-family:system-ui;margin:3rem;max-width:40rem;line-height:1.5\">\
    <h1>The console is not in this build</h1>\
    <p>Run <code>script/web-ui</code> in the source tree, then build <code>weir</code> again.</p>\
    <p>The REST API works without it: <a href=\"/api/docs\">/api/docs</a>.</p></body></html>";

/// A file of the console; for other paths that a browser opens, the console itself, which knows its pages.
pub async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if path == "/api" || path.starts_with("/api/") {
        return ApiError::new(
            ErrorCode::NotFound,
            format!("no such path: {path}; see /api/docs"),
        )
        .into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        return ApiError::new(ErrorCode::NotFound, format!("no such path: {path}")).into_response();
    }
    let name = path.trim_start_matches('/');
    let hidden = name.split('/').any(|part| part.starts_with('.'));
    if !name.is_empty()
        && !hidden
        && let Some(found) = Files::get(name)
    {
        return file(&found, &headers);
    }
    if !name.is_empty() && !wants_page(&headers) {
        return ApiError::new(ErrorCode::NotFound, format!("no such path: {path}")).into_response();
    }
    match Files::get("index.html") {
        Some(index) => file(&index, &headers),
        None => (StatusCode::SERVICE_UNAVAILABLE, Html(NOT_BUILT)).into_response(),
    }
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .unwrap_or("");
    accepts.contains("text/html")
}

/// File names stay the same from build to build, so that browsers ask each time and are told by the tag.
fn file(file: &EmbeddedFile, headers: &HeaderMap) -> Response {
    let hash = file.metadata.sha256_hash();
    let start = u128::from_be_bytes(std::array::from_fn(|i| hash[i]));
    let tag = format!("\"{start:032x}\"");
    let caching = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok())
        .unwrap_or("");
    // Compression on the way makes the tag a weak one.
    if known
        .split(',')
        .any(|known| known.trim().trim_start_matches("W/") == tag)
    {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let kind = [(header::CONTENT_TYPE, file.metadata.mimetype().to_owned())];
    (caching, kind, file.data.clone().into_owned()).into_response()
}

//! What is served to browsers.

use reqwest::{Method, StatusCode, header};

use crate::cluster::Cluster;

#[tokio::test]
async fn a_page_of_the_console_is_the_console_or_says_how_to_build_it() {
    let cluster = Cluster::start().await;
    let page = |path: &str| {
        cluster
            .request(Method::GET, path)
            .header(header::ACCEPT, "text/html,*/*;q=0.8")
    };
    let root = page("/").send().await.expect("an answer");
    assert_eq!(root.headers()[header::CONTENT_TYPE], "text/html");
    if root.status() == StatusCode::SERVICE_UNAVAILABLE {
        let text = root.text().await.expect("text");
        assert!(text.contains("script/web-ui"), "{text}");
        return;
    }
    assert_eq!(root.status(), StatusCode::OK);
    let tag = root.headers()[header::ETAG].clone();
    let text = root.text().await.expect("text");
    let deep = page("/jobs/0192")
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    assert_eq!(text, deep, "every page is the console, which knows its own paths");
    let again = page("/")
        .header(header::IF_NONE_MATCH, tag)
        .send()
        .await
        .expect("an answer");
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    let hidden = cluster
        .request(Method::GET, "/.stamp")
        .send()
        .await
        .expect("an answer");
    assert_eq!(hidden.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_api_has_a_page_that_loads_nothing_from_elsewhere() {
    let cluster = Cluster::start().await;
    let answer = cluster
        .request(Method::GET, "/api/docs")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let text = answer.text().await.expect("text");
    assert!(text.contains("/api/v1/openapi.json"));
    assert!(
        !text.contains("https://") && !text.contains("http://"),
        "nothing from other hosts"
    );
}

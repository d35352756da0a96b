//! The newest windows of the Yahoo benchmark, as they are in Redis.

use std::collections::BTreeMap;

use anyhow::Result;
use redis::aio::MultiplexedConnection;

use crate::keys;

const WINDOW_MS: i64 = 10_000;
/// Windows that are shown.
const SHOWN: usize = 2;

#[derive(Default)]
struct Window {
    campaigns: u64,
    seen: u64,
    updated_ms: i64,
}

/// Of the newest windows how many views of how many campaigns they have, and when they were written last.
pub(crate) async fn show(redis: &mut MultiplexedConnection, now_ms: i64) -> Result<String> {
    let mut windows: BTreeMap<i64, Window> = BTreeMap::new();
    let keys = keys(redis, "*:*").await?;
    let of = |key: &String| key.rsplit_once(':').and_then(|(_, ms)| ms.parse::<i64>().ok());
    let mut starts: Vec<i64> = keys.iter().filter_map(of).collect();
    starts.sort_unstable();
    starts.dedup();
    let first = starts
        .iter()
        .rev()
        .take(SHOWN)
        .next_back()
        .copied()
        .unwrap_or_default();
    let mut question = redis::pipe();
    let newest: Vec<i64> = keys
        .iter()
        .filter_map(|key| {
            of(key).filter(|ms| *ms >= first).inspect(|_| {
                question
                    .cmd("HMGET")
                    .arg(key)
                    .arg(&["seen_count", "time_updated"]);
            })
        })
        .collect();
    let found: Vec<(u64, i64)> = question.query_async(redis).await?;
    for (start, (seen, updated_ms)) in newest.into_iter().zip(found) {
        let window = windows.entry(start).or_default();
        window.campaigns += 1;
        window.seen += seen;
        window.updated_ms = window.updated_ms.max(updated_ms);
    }
    let texts = windows.iter().map(|(start, window)| {
        let Window {
            campaigns,
            seen,
            updated_ms,
        } = window;
        let since_end = updated_ms - (start + WINDOW_MS);
        let state = if since_end >= 0 {
            format!("whole {since_end} ms after its end")
        } else {
            format!("updated {} ms ago", now_ms - updated_ms)
        };
        let second = start / 1000 % 86_400;
        let time = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
        format!("window {time}: {seen} views of {campaigns} campaigns, {state}")
    });
    match texts.collect::<Vec<_>>() {
        texts if texts.is_empty() => Ok("nothing is in Redis yet".to_owned()),
        texts => Ok(texts.join("; ")),
    }
}

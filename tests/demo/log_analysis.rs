//! The newest window of the log analysis, as it is in Redis.

use std::collections::HashMap;

use anyhow::Result;
use redis::aio::MultiplexedConnection;

use crate::keys;

/// `window 08:05 until 08:07:35: US 120 visits by 80, ...`.
pub(crate) async fn show(redis: &mut MultiplexedConnection) -> Result<String> {
    let keys = keys(redis, "visitors:*").await?;
    let parts = keys.iter().filter_map(|key| {
        let (country, window) = key.strip_prefix("visitors:")?.split_once(':')?;
        Some((window, country, key))
    });
    let parts: Vec<_> = parts.collect();
    let Some(newest) = parts.iter().map(|(window, ..)| *window).max() else {
        return Ok("nothing is in Redis yet".to_owned());
    };
    let (mut counts, mut until) = (Vec::new(), String::new());
    for (_, country, key) in parts.iter().filter(|(window, ..)| *window == newest) {
        let fields: HashMap<String, String> = redis::cmd("HGETALL").arg(key).query_async(redis).await?;
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let visits: u64 = field("visits").parse().unwrap_or_default();
        until = until.max(field("counted_until"));
        counts.push((visits, format!("{country} {visits} by {}", field("visitors"))));
    }
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let counts: Vec<_> = counts.into_iter().map(|(_, text)| text).collect();
    let time = newest.split_once('T').map_or(newest, |(_, time)| time);
    Ok(format!(
        "window {time} until {until}: visits {}",
        counts.join(", ")
    ))
}

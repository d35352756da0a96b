//! `weir gc`.

use weir_model::api::GarbageList;

use crate::{arguments::Gc, client::Cluster, outcome::Outcome};

pub(super) async fn gc(arguments: Gc) -> Result<(), Outcome> {
    let cluster = Cluster::at(&arguments.client.url);
    let list: GarbageList = if arguments.dry_run {
        cluster.get("garbage").await?
    } else {
        cluster.remove("garbage").await?
    };
    if arguments.client.json {
        return super::print_json(&list);
    }
    for file in &list.files {
        super::say(&format!(
            "{:>12}  {}/{}  ({})",
            file.bytes, file.job, file.path, file.why
        ));
    }
    let done = if arguments.dry_run {
        "may be deleted"
    } else {
        "deleted"
    };
    super::say(&format!(
        "{} files, {} bytes {done}",
        list.files.len(),
        list.bytes
    ));
    Ok(())
}

//! `weir explain`.

use weir_model::api::{ExplainRequest, ExplainResponse};

use crate::{arguments::Explain, client::Cluster, outcome::Outcome};

pub(super) async fn explain(arguments: Explain) -> Result<(), Outcome> {
    let sql = super::read_script(&arguments.file)?;
    let request = ExplainRequest {
        sql: sql.clone(),
        parallelism: arguments.parallelism,
    };
    let plan: ExplainResponse = Cluster::at(&arguments.client.url)
        .post("sql/explain", &request, &sql)
        .await?;
    if arguments.client.json {
        return super::print_json(&plan);
    }
    super::say(plan.text.trim_end());
    Ok(())
}

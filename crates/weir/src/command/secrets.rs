//! `weir secrets`.

use std::io::{IsTerminal as _, Read as _};

use weir_model::api::{PutSecret, SecretList};

use crate::{
    arguments::{Secrets, SecretsCommand},
    client::Cluster,
    outcome::Outcome,
};

pub(super) async fn secrets(arguments: Secrets) -> Result<(), Outcome> {
    let cluster = Cluster::at(&arguments.client.url);
    match arguments.command {
        None => {
            let list: SecretList = cluster.get("secrets").await?;
            if arguments.client.json {
                return super::print_json(&list);
            }
            list.secrets.iter().for_each(|secret| super::say(&secret.name));
        }
        Some(SecretsCommand::Set { name }) => {
            let value = read_value(&name)?;
            cluster
                .put(&format!("secrets/{name}"), &PutSecret { value })
                .await?;
            super::say(&format!("${{secret:{name}}} is set"));
        }
        Some(SecretsCommand::Delete { name }) => {
            cluster.delete(&format!("secrets/{name}")).await?;
            super::say(&format!("${{secret:{name}}} is gone"));
        }
    }
    Ok(())
}

/// Never an argument: those are seen by everybody on the machine.
fn read_value(name: &str) -> Result<String, Outcome> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        eprintln!("the value of '{name}', then Ctrl-D:");
    }
    let mut value = String::new();
    input
        .read_to_string(&mut value)
        .map_err(|e| Outcome::wrong(format!("cannot read the value from the standard input: {e}")))?;
    let line_end = value
        .strip_suffix('\n')
        .map(|text| text.strip_suffix('\r').unwrap_or(text));
    Ok(line_end.map_or_else(|| value.clone(), str::to_owned))
}

//! `weir secrets`.

use std::io::{IsTerminal as _, Read as _};

use weir_model::api::{PutSecret, SecretList};

use crate::{
    arguments::{Client, Secrets, SecretsAction},
    client::Cluster,
    outcome::Outcome,
};

pub(super) async fn secrets(arguments: Secrets) -> Result<(), Outcome> {
    match arguments.action {
        None => list(&arguments.client).await,
        Some(SecretsAction::List(client)) => list(&client).await,
        Some(SecretsAction::Set(command)) => {
            let value = read_value(&command.name)?;
            let path = format!("secrets/{}", command.name);
            Cluster::at(&command.client.url)
                .put(&path, &PutSecret { value })
                .await?;
            super::say(&format!("${{secret:{}}} is set", command.name));
            Ok(())
        }
        Some(SecretsAction::Delete(command)) => {
            let path = format!("secrets/{}", command.name);
            Cluster::at(&command.client.url).delete(&path).await?;
            super::say(&format!("${{secret:{}}} is gone", command.name));
            Ok(())
        }
    }
}

async fn list(client: &Client) -> Result<(), Outcome> {
    let list: SecretList = Cluster::at(&client.url).get("secrets").await?;
    if client.json {
        return super::print_json(&list);
    }
    list.secrets.iter().for_each(|secret| super::say(&secret.name));
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

//! `weir connectors`, `weir test`, `weir infer`.

use weir_model::{
    Problem,
    api::{
        ConnectionTests, ConnectorInfo, ConnectorList, InferTable, InferredTable, OptionInfo, RoleTest,
        TableTest, TestConnections,
    },
};

use crate::{
    arguments::{Connectors, Infer, Test},
    client::Cluster,
    outcome::Outcome,
};

/// Lists connectors and formats, or what one of them takes.
pub(super) async fn connectors(arguments: Connectors) -> Result<(), Outcome> {
    let all: ConnectorList = Cluster::at(&arguments.client.url).get("connectors").await?;
    let Some(name) = arguments.name else {
        if arguments.client.json {
            return super::print_json(&all);
        }
        for connector in &all.connectors {
            super::say(&format!("{:<14} {}", connector.name, connector.summary));
        }
        super::say("");
        for format in &all.formats {
            super::say(&format!("{:<14} {}", format.name, format.summary));
        }
        return Ok(());
    };
    if let Some(connector) = all.connectors.iter().find(|connector| connector.name == name) {
        if arguments.client.json {
            return super::print_json(connector);
        }
        say_connector(connector);
        return Ok(());
    }
    let Some(format) = all.formats.iter().find(|format| format.name == name) else {
        return Err(Outcome::wrong(format!(
            "there is no connector and no format '{name}': `weir connectors` lists them"
        )));
    };
    if arguments.client.json {
        return super::print_json(format);
    }
    super::say(&format!("{}: {}", format.name, format.summary));
    say_options(&format.options);
    Ok(())
}

fn say_connector(connector: &ConnectorInfo) {
    super::say(&format!("{}: {}", connector.name, connector.summary));
    say_options(&connector.options);
    if connector.metadata.is_empty() {
        return;
    }
    super::say("\nmetadata:");
    for column in &connector.metadata {
        super::say(&format!(
            "  {} {}\n      {}",
            column.key, column.data_type, column.doc
        ));
    }
}

fn say_options(options: &[OptionInfo]) {
    for option in options {
        let value = match (&option.default, option.required) {
            (_, true) => ", required".to_owned(),
            (Some(default), _) => format!(" = {default}"),
            (None, _) => String::new(),
        };
        let kind = match option.values.as_slice() {
            [] => option.kind.as_str().to_owned(),
            words => words.join(" | "),
        };
        super::say(&format!("  {}{value} ({kind})\n      {}", option.key, option.doc));
    }
}

/// Tests whether the tables of a script can be read, written and asked now.
pub(super) async fn test(arguments: Test) -> Result<(), Outcome> {
    let sql = super::read_script(&arguments.file)?;
    let request = TestConnections {
        sql: sql.clone(),
        sample_rows: Some(arguments.rows),
    };
    let tests: ConnectionTests = Cluster::at(&arguments.client.url)
        .post("connections/test", &request, &sql)
        .await?;
    if arguments.client.json {
        super::print_json(&tests)?;
    } else {
        tests.tables.iter().for_each(say_test);
    }
    let is_usable = |test: &TableTest| {
        let roles = [&test.read, &test.write, &test.look_up];
        roles.into_iter().flatten().any(|role| role.ok)
    };
    match tests.tables.iter().find(|test| !is_usable(test)) {
        None => Ok(()),
        Some(test) => Err(Outcome::failed(format!("table '{}' cannot be used", test.table))),
    }
}

/// Proposes the definition of a table.
pub(super) async fn infer(arguments: Infer) -> Result<(), Outcome> {
    let given = arguments.option.into_iter();
    let format = arguments.format.map(|format| ("format".to_owned(), format));
    let request = InferTable {
        connector: arguments.connector,
        options: given.chain(format).collect(),
        table: Some(arguments.name),
        records: Some(arguments.records),
    };
    let inferred: InferredTable = Cluster::at(&arguments.client.url)
        .post("connections/infer", &request, "")
        .await?;
    if arguments.client.json {
        return super::print_json(&inferred);
    }
    super::say(inferred.sql.trim_end());
    Ok(())
}

fn say_test(test: &TableTest) {
    super::say(&format!("{} ({})", test.table, test.connector));
    let roles = [
        ("read", &test.read),
        ("write", &test.write),
        ("look up", &test.look_up),
    ];
    for (name, role) in roles {
        let Some(RoleTest { problem, .. }) = role else {
            continue;
        };
        let came_of = match problem {
            None => "ok",
            Some(Problem { detail, .. }) => detail,
        };
        super::say(&format!("  {name}: {came_of}"));
    }
    for row in &test.sample {
        super::say(&format!("  {row}"));
    }
}

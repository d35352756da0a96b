use std::{fs, path::Path};

use arrow_array::{Int32Array, RecordBatch, StringArray};
use tempfile::TempDir;
use weir_env::SystemClock;

use super::*;
use crate::format::Format;

/// What is proposed for files, as DDL without its options, and the options that it needs beside those given.
async fn proposed(path: &Path, given: &[(&str, &str)]) -> Result<(Vec<String>, Options), OptionError> {
    let mut options: Options = [("path".to_owned(), path.display().to_string())].into();
    options.extend(
        given
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    let table = Table::without_columns("t".into(), "filesystem".into(), options);
    let proposal = infer(&table, Arc::new(SystemClock::new()), 100, Duration::from_secs(20)).await?;
    let sql = create_table("t", "filesystem", &Options::new(), &proposal.columns);
    let columns = sql.lines().skip(1).take_while(|line| !line.starts_with(')'));
    let columns = columns.map(|line| line.trim().trim_end_matches(',').to_owned());
    Ok((columns.collect(), proposal.options))
}

async fn of_text(text: &str, given: &[(&str, &str)]) -> Result<(Vec<String>, Options), OptionError> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("in");
    fs::write(&path, text).expect("is written");
    proposed(&path, given).await
}

fn found(options: &Options) -> Vec<(&str, &str)> {
    options
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect()
}

#[tokio::test]
async fn objects_have_the_types_that_fit_all_their_values() {
    let text = r#"
{"id": 1, "price": 1, "at": "2024-01-01 10:00:00", "when": "2024-01-01T10:00:00.123456Z", "day": "2024-01-01", "big": 18446744073709551615}
{"id": 2, "price": 0.5, "at": "2024-01-01 10:00:00.12", "mixed": "x", "time": "10:00:00", "ok": true, "select": {"a b": 1, "tags": []}}
not JSON
{"id": 3, "mixed": {"a": 1}, "select": {"tags": ["x"], "deep": {"n": [1, 2.5]}}, "none": null, "empty": {}}
"#;
    let (columns, options) = of_text(text, &[]).await.expect("a table");
    assert_eq!(
        columns,
        [
            "`id` BIGINT",
            "`price` DOUBLE",
            "`at` TIMESTAMP(3)",
            "`when` TIMESTAMP_LTZ(6)",
            "`day` DATE",
            "`big` DECIMAL(38, 0)",
            "`mixed` STRING",
            "`time` TIME(3)",
            "`ok` BOOLEAN",
            "`select` ROW<`a b` BIGINT, `tags` ARRAY<STRING>, `deep` ROW<`n` ARRAY<DOUBLE>>>",
            "`none` STRING",
            "`empty` STRING",
        ]
    );
    assert_eq!(found(&options), [("format", "json")]);
}

#[tokio::test]
async fn changes_have_the_columns_of_their_rows() {
    for (format, text) in [
        (
            "debezium-json",
            r#"{"payload": {"before": null, "after": {"id": 1, "name": "a"}, "op": "c"}}"#,
        ),
        (
            "debezium-json",
            r#"{"before": {"id": 1}, "after": {"id": 1, "name": "a"}, "op": "u"}"#,
        ),
        (
            "canal-json",
            r#"{"data": [{"id": 1, "name": "a"}], "old": null, "type": "INSERT"}"#,
        ),
        (
            "maxwell-json",
            r#"{"data": {"id": 1, "name": "a"}, "type": "insert"}"#,
        ),
    ] {
        let (columns, options) = of_text(text, &[("format", format)]).await.expect("a table");
        assert_eq!(columns, ["`id` BIGINT", "`name` STRING"], "{format}");
        assert_eq!(found(&options), []);
    }
}

/// A text, its columns, and the options that they need.
type Case<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, &'a str)]);

#[tokio::test]
async fn records_of_csv_have_a_header_where_it_differs_from_what_follows() {
    let header = ("csv.header", "true");
    let csv = ("format", "csv");
    let cases: [Case<'_>; 6] = [
        (
            "id,at,name\n1,2024-01-01 00:00:00,\"a,b\"\n2,,c\n",
            &["`id` BIGINT", "`at` TIMESTAMP(3)", "`name` STRING"],
            &[header, csv],
        ),
        (
            "1,x\n2.5,y\n",
            &["`column_1` DOUBLE", "`column_2` STRING"],
            &[csv],
        ),
        (
            "first name,last\na,b\nc,d\n",
            &["`first name` STRING", "`last` STRING"],
            &[header, csv],
        ),
        ("a,b\na,c\n", &["`column_1` STRING", "`column_2` STRING"], &[csv]),
        (
            "id;ok\n1;true\n",
            &["`id` BIGINT", "`ok` BOOLEAN"],
            &[("csv.field-delimiter", ";"), header, csv],
        ),
        (
            "id\tok\n1\tno\n",
            &["`id` BIGINT", "`ok` STRING"],
            &[("csv.field-delimiter", "\\t"), header, csv],
        ),
    ];
    for (text, expected, needed) in cases {
        let (columns, options) = of_text(text, &[]).await.expect("a table");
        assert_eq!(columns, expected, "{text:?}");
        assert_eq!(found(&options), needed, "{text:?}");
    }
    let (columns, options) = of_text("id,n\n1,2\n", &[csv, ("csv.header", "false")])
        .await
        .expect("a table");
    assert_eq!(columns, ["`column_1` STRING", "`column_2` STRING"]);
    assert_eq!(found(&options), []);
}

#[tokio::test]
async fn what_is_nothing_of_that_is_a_line_or_bytes() {
    let (columns, options) = of_text("GET /a\nPOST /b?c\n", &[]).await.expect("a table");
    assert_eq!(
        (columns, found(&options)),
        (vec!["`record` STRING".to_owned()], vec![("format", "raw")])
    );
    let error = of_text("", &[]).await.expect_err("nothing").to_string();
    assert!(error.contains("nothing to look at"), "{error}");
    let error = of_text("x\n", &[("format", "json")])
        .await
        .expect_err("no JSON")
        .to_string();
    assert!(error.contains("none of 1 records is a JSON object"), "{error}");
    let missing = proposed(Path::new("nowhere/at/all"), &[])
        .await
        .expect_err("nothing")
        .to_string();
    assert!(missing.contains("there is no file or folder"), "{missing}");
}

#[tokio::test]
async fn files_that_have_a_schema_are_not_sampled() {
    let avro = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/format/avro/tests/fastavro_snappy.avro");
    let (columns, options) = proposed(&avro, &[]).await.expect("a table");
    for expected in [
        "`customer` STRING",
        "`total` DECIMAL(10, 2) NOT NULL",
        "`placed` TIMESTAMP_LTZ(6) NOT NULL",
        "`lines` ARRAY<ROW<`item` STRING NOT NULL, `count` INT NOT NULL> NOT NULL> NOT NULL",
    ] {
        assert!(
            columns.iter().any(|column| column == expected),
            "{expected}: {columns:?}"
        );
    }
    assert!(
        !columns.iter().any(|column| column.contains("parent")),
        "an order within an order is no type of SQL"
    );
    assert_eq!(found(&options), [("format", "avro")]);

    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("in.avro");
    let schema = Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int32, false),
        Field::new("word", DataType::Utf8, true),
    ]));
    let columns: Vec<arrow_array::ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![1])),
        Arc::new(StringArray::from(vec!["x"])),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("a batch");
    let format = Format::named("avro", "test", &Options::new()).expect("a format");
    let mut file = Vec::new();
    format.encoder().write_header(&schema, &mut file);
    format.encoder().write(&batch, &mut file);
    fs::write(&path, &file).expect("is written");
    for given in [&[][..], &[("format", "avro")]] {
        let (columns, options) = proposed(&path, given).await.expect("a table");
        assert_eq!(columns, ["`n` INT NOT NULL", "`word` STRING"]);
        assert_eq!(options.contains_key("format"), given.is_empty());
    }
}

#[tokio::test]
async fn messages_of_protobuf_have_the_columns_of_their_descriptor() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/format/protobuf/tests");
    let descriptor = tests.join("descriptors.binpb").display().to_string();
    let given = [
        ("format", "protobuf"),
        ("protobuf.descriptor-file", descriptor.as_str()),
        ("protobuf.message-name", "test.All"),
    ];
    let (columns, _) = proposed(&tests.join("messages.binpb"), &given)
        .await
        .expect("a table");
    for expected in [
        "`u32` BIGINT",
        "`color` STRING",
        "`inner` ROW<`x` INT, `y` STRING, `deep` ARRAY<BIGINT>>",
        "`at` TIMESTAMP_LTZ(3)",
        "`by_number` MAP<INT, ROW<`x` INT, `y` STRING, `deep` ARRAY<BIGINT>>>",
    ] {
        assert!(
            columns.iter().any(|column| column == expected),
            "{expected}: {columns:?}"
        );
    }
    assert_eq!(columns.len(), 27);
}

#[tokio::test]
async fn a_connector_without_formats_says_what_it_knows() {
    let clock = || Arc::new(SystemClock::new());
    let table = |connector: &str| Table::without_columns("t".into(), connector.into(), Options::new());
    let nexmark = infer(&table("nexmark"), clock(), 10, Duration::from_secs(1))
        .await
        .expect("a table");
    assert!(!nexmark.columns.fields().is_empty());
    let error = infer(&table("jdbc"), clock(), 10, Duration::from_secs(1))
        .await
        .expect_err("unknown");
    assert!(error.to_string().contains("write them yourself"), "{error}");
}

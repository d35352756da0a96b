//! The client commands: what they print, and exit codes that scripts can use.

use std::{fs, process::Output};

use anyhow::{Result, ensure};
use serde_json::Value;
use weir_tests::cluster::{self, Cluster, Size, weir};

use crate::{alone, scripts};

fn check(run: &Output, code: i32) -> Result<String> {
    let (out, err) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    ensure!(
        run.status.code() == Some(code),
        "ended with {} instead of {code}\n{out}\n{err}",
        run.status
    );
    Ok(if code == 0 {
        out.into_owned()
    } else {
        err.into_owned()
    })
}

#[test]
fn every_command_prints_json_and_ends_with_its_exit_code() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), Size { workers: 1, slots: 2 }).await?;
        let run = |arguments: &[&str]| weir(arguments, &[("WEIR_URL", cluster.api.url.as_str())]);
        let script = |name: &str, sql: &str| -> Result<String> {
            let path = folder.path().join(name);
            fs::write(&path, sql)?;
            Ok(path.display().to_string())
        };
        let good = script("good.sql", &scripts::bounded(5))?;

        let said = check(&run(&["run", &good, "--wait", "--name", "five"])?, 0)?;
        ensure!(
            said.lines().count() == 5 && said.contains("{\"n\":3}"),
            "weir run --wait printed {said}"
        );
        let job: Value = serde_json::from_str(&check(&run(&["show", "five", "--json"])?, 0)?)?;
        ensure!(job["phase"] == "finished", "{job}");
        let id = job["id"].as_str().unwrap_or_default().to_owned();
        let list: Value = serde_json::from_str(&check(&run(&["list", "--json"])?, 0)?)?;
        ensure!(list["jobs"][0]["id"] == id.as_str(), "{list}");
        ensure!(
            check(&run(&["list"])?, 0)?.contains("five"),
            "the list names the job"
        );
        let plan: Value = serde_json::from_str(&check(&run(&["explain", &good, "--json"])?, 0)?)?;
        ensure!(
            plan["graph"]["operators"]
                .as_array()
                .is_some_and(|o| o.len() >= 2),
            "{plan}"
        );
        let query = script("query.sql", scripts::preview())?;
        let said = check(&run(&["preview", &query, "--rows", "3"])?, 0)?;
        ensure!(
            said == "{\"n\":2}\n{\"n\":4}\n{\"n\":6}\n",
            "weir preview printed {said}"
        );
        let said = check(&run(&["preview", &query, "--for", "1s", "--rows", "1000000"])?, 0)?;
        ensure!(said.lines().count() > 3, "more came in a second: {said}");
        let writes = script("writes.sql", &scripts::into_files(folder.path()))?;
        let said = check(&run(&["preview", &writes])?, 2)?;
        ensure!(said.contains("a preview writes nothing"), "{said}");
        let list: Value = serde_json::from_str(&check(&run(&["list", "--json"])?, 0)?)?;
        ensure!(
            list["jobs"].as_array().is_some_and(|jobs| jobs.len() == 1),
            "previews leave no job: {list}"
        );
        check(&run(&["delete", &id[..18]])?, 0)?;
        check(&run(&["show", &id])?, 2)?;

        let bad = script("bad.sql", "INSERT INTO r\nSELECT a FROM x WHERE;")?;
        let said = check(&run(&["run", &bad])?, 2)?;
        ensure!(
            said.contains("sql_syntax") && said.contains('^'),
            "a wrong script is shown at its place: {said}"
        );
        check(&run(&["explain", &bad])?, 2)?;
        check(&run(&["local", &bad])?, 2)?;
        check(&run(&["run", "/no/such/file.sql"])?, 2)?;
        check(&run(&["run", &good, "-p", "0"])?, 2)?;
        check(&run(&["run"])?, 2)?;

        let input = folder.path().join("words.json");
        fs::write(&input, "{\"n\": \"seven\"}\n")?;
        let failing = script(
            "failing.sql",
            &scripts::numbers_from(&input.display().to_string()),
        )?;
        let said = check(&run(&["run", &failing, "--wait"])?, 1)?;
        ensure!(said.contains("words.json:1"), "a failed job is explained: {said}");
        check(&run(&["local", &failing])?, 1)?;

        cluster.stop()
    });
}

#[test]
fn a_server_that_is_not_there_is_told_from_a_refusal() {
    alone(async {
        let port = cluster::free_port()?;
        let url = format!("http://127.0.0.1:{port}");
        let said = check(&weir(&["list"], &[("WEIR_URL", &url)])?, 3)?;
        ensure!(said.contains(&url), "the message does not say where: {said}");
        Ok(())
    });
}

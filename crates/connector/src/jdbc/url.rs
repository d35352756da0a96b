//! Where the database is, as Java programs say it.

use sqlx::postgres::PgConnectOptions;

/// The server and the database that a URL names: `jdbc:postgresql://host:5432/database?sslmode=require`. The error says what is
/// wrong with it.
pub(super) fn parse(
    url: &str,
    user: Option<&str>,
    password: Option<&str>,
) -> Result<PgConnectOptions, String> {
    let rest = url
        .strip_prefix("jdbc:")
        .ok_or_else(|| format!("'{url}' is no JDBC URL: write jdbc:postgresql://host:5432/database"))?;
    let Some(rest) = rest.strip_prefix("postgresql:") else {
        let kind = rest.split(':').next().unwrap_or_default();
        return Err(format!(
            "databases of kind '{kind}' are not supported, only 'postgresql'"
        ));
    };
    // Without slashes it is a database of this machine.
    let place = match rest.strip_prefix("//") {
        Some(place) => place.to_owned(),
        None => format!("localhost/{}", rest.trim_start_matches('/')),
    };
    let (place, schema) = without_schema(&place);
    let mut options: PgConnectOptions = format!("postgresql://{place}")
        .parse()
        .map_err(|error: sqlx::Error| format!("'{url}' cannot be read: {error}"))?;
    if let Some(user) = user {
        options = options.username(user);
    }
    if let Some(password) = password {
        options = options.password(password);
    }
    if let Some(schema) = schema {
        options = options.options([("search_path", schema)]);
    }
    Ok(options.application_name("weir"))
}

/// The place without the parameter that only Java's driver knows, and its value.
fn without_schema(place: &str) -> (String, Option<&str>) {
    let Some((before, parameters)) = place.split_once('?') else {
        return (place.to_owned(), None);
    };
    let mut schema = None;
    let kept = parameters
        .split('&')
        .filter(|parameter| match parameter.strip_prefix("currentSchema=") {
            Some(value) => {
                schema = Some(value);
                false
            }
            None => true,
        });
    let kept = kept.collect::<Vec<_>>().join("&");
    (format!("{before}?{kept}"), schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_host_database_and_schema() {
        let check = |url: &str, expected: (&str, u16, Option<&str>, &str, Option<&str>)| {
            let options = parse(url, Some("ann"), None).expect(url);
            let found = (
                options.get_host(),
                options.get_port(),
                options.get_database(),
                options.get_username(),
                options.get_options(),
            );
            assert_eq!(found, expected, "{url}");
        };
        check(
            "jdbc:postgresql://db.example:6432/shop?sslmode=disable&currentSchema=sales",
            (
                "db.example",
                6432,
                Some("shop"),
                "ann",
                Some("-c search_path=sales"),
            ),
        );
        check(
            "jdbc:postgresql:shop",
            ("localhost", 5432, Some("shop"), "ann", None),
        );
    }

    #[test]
    fn other_urls_are_refused_with_what_would_be_right() {
        let check = |url: &str, expected: &str| {
            let reason = parse(url, None, None).expect_err(url);
            assert!(reason.contains(expected), "{reason}");
        };
        check("postgresql://x/y", "write jdbc:postgresql://host:5432/database");
        check("jdbc:mysql://x/y", "kind 'mysql' are not supported");
        check("jdbc:postgresql://x:port/y", "cannot be read");
    }
}

//! Where requests go and what they have in common; answers and errors classified.

use std::{fmt, path::PathBuf, time::Duration};

use base64::Engine as _;
use reqwest::{
    Certificate, Client, Response, StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};

use super::options::{CA_FILE, HEADERS, PASSWORD, TIMEOUT, URL, USERNAME};
use crate::{
    ConnectorError, OptionError,
    options::{Checked, invalid},
};

/// What a server says of an error is cut off behind so many characters.
const SAID: usize = 400;
/// No server makes a job wait longer than this between two tries.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// As HTTP has them.
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A URL with what is said to whoever is there.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    ca: Option<PathBuf>,
}

impl fmt::Debug for Target {
    /// Without what may let somebody in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", shown(&self.url))
    }
}

/// A URL for people: without user, password and query, any of which may be a secret.
pub(super) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

/// A URL of one of these schemes.
pub(super) fn parse(text: &str, schemes: &[&str]) -> Option<Url> {
    let url: Url = text.trim().parse().ok()?;
    (schemes.contains(&url.scheme()) && url.has_host()).then_some(url)
}

impl Target {
    /// With a URL of one of these schemes.
    pub(super) fn new(options: &Checked<'_>, schemes: &[&str]) -> Result<Self, OptionError> {
        let url = parse(options.text(URL).unwrap_or_default(), schemes);
        // The text may have a secret in it, so it is not said again.
        let url = url.ok_or_else(|| {
            invalid(
                URL,
                format!(
                    "is no URL: write {}://host/path",
                    schemes.join("://host/path or ")
                ),
            )
        })?;
        let mut headers = HeaderMap::new();
        match (options.text(USERNAME), options.text(PASSWORD)) {
            (None, Some(_)) => return Err(invalid(PASSWORD, format!("needs '{USERNAME}'"))),
            (None, None) => {}
            (Some(user), password) => {
                let both = format!("{user}:{}", password.unwrap_or_default());
                let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(both));
                let value = HeaderValue::from_str(&basic)
                    .map_err(|_| invalid(USERNAME, "is no text for a header"))?;
                headers.insert(AUTHORIZATION, value);
            }
        }
        for (name, value) in options.wildcard(HEADERS) {
            let key = HEADERS.replace('#', name);
            let name: HeaderName = name
                .parse()
                .map_err(|_| invalid(&key, "is no name of a header"))?;
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| invalid(&key, "has a value that is no line of text"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let timeout = options.duration(TIMEOUT).filter(|timeout| !timeout.is_zero());
        Ok(Self {
            url,
            headers,
            timeout: timeout.ok_or_else(|| invalid(TIMEOUT, "it must be more than nothing"))?,
            ca: options
                .is_given(CA_FILE)
                .then(|| options.text(CA_FILE).map(PathBuf::from))
                .flatten(),
        })
    }

    /// As errors name it.
    pub(super) fn name(&self) -> String {
        shown(&self.url)
    }

    /// What makes requests. Requests that read follow redirections; those that write do not, which would lose what they have.
    pub(super) fn client(&self, reads: bool) -> Result<Client, ConnectorError> {
        let wrong = |reason: String| ConnectorError::user(format!("cannot ask {}: {reason}", self.name()));
        let mut builder = Client::builder()
            .user_agent("weir")
            .connect_timeout(self.timeout)
            .default_headers(self.headers.clone())
            .redirect(if reads {
                Policy::limited(10)
            } else {
                Policy::none()
            });
        if let Some(path) = &self.ca {
            let pem = std::fs::read(path);
            let pem = pem.map_err(|error| wrong(format!("'{}' cannot be read: {error}", path.display())))?;
            let certificate = Certificate::from_pem(&pem);
            let certificate = certificate
                .map_err(|error| wrong(format!("'{}' is no certificate: {error}", path.display())))?;
            builder = builder.add_root_certificate(certificate);
        }
        builder.build().map_err(|error| wrong(chain(error)))
    }
}

/// An error, and how long the server wants to be left alone.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) error: ConnectorError,
    pub(super) wait: Option<Duration>,
}

impl From<ConnectorError> for Refused {
    fn from(error: ConnectorError) -> Self {
        Self { error, wait: None }
    }
}

/// What came of a request that got no answer.
pub(super) fn unanswered(doing: &str, error: reqwest::Error) -> ConnectorError {
    ConnectorError::external(format!("{doing}: {}", chain(error)))
}

/// The answer if it is a good one; else the error, with what the server says.
pub(super) async fn good(doing: &str, response: Response, now_ms: i64) -> Result<Response, Refused> {
    let status = response.status();
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    let wait = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let wait = wait
        .and_then(|text| retry_after(text, now_ms))
        .map(|wait| wait.min(LONGEST_WAIT));
    let said = response.text().await.unwrap_or_default();
    let said: String = said
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(SAID)
        .collect();
    let message = match said.as_str() {
        "" => format!("{doing}: {status}"),
        said => format!("{doing}: {status}: {said}"),
    };
    let error = if may_mend(status) {
        ConnectorError::external(message)
    } else {
        ConnectorError::user(message)
    };
    Err(Refused { error, wait })
}

/// Whether another try may be answered otherwise.
fn may_mend(status: StatusCode) -> bool {
    let code = status.as_u16();
    status.is_server_error() || matches!(code, 408 | 425 | 429)
}

/// Seconds, or a time as HTTP has it (RFC 9110, 10.2.3): how long that is from now on.
fn retry_after(text: &str, now_ms: i64) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // Wed, 21 Oct 2015 07:28:00 GMT
    let words: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = words.as_slice() else {
        return None;
    };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    let utc: arrow_array::timezone::Tz = "+00:00".parse().ok()?;
    let iso = format!("{year}-{month:02}-{day}T{time}Z");
    let at = arrow_cast::parse::string_to_datetime(&utc, &iso)
        .ok()?
        .timestamp_millis();
    Some(Duration::from_millis(u64::try_from(at - now_ms).unwrap_or(0)))
}

/// An error with what led to it, without the URL.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_what_may_be_a_secret() {
        let url = parse(
            " https://ann:hunter2@host:8443/a/b?key=hunter2#x ",
            &["http", "https"],
        )
        .expect("a URL");
        assert_eq!(shown(&url), "https://host:8443/a/b");
        assert_eq!(parse("ftp://host", &["http"]), None);
        assert_eq!(parse("host/path", &["http"]), None);
    }

    #[test]
    fn a_server_says_when_to_come_again() {
        let now = 1_445_412_480_000;
        let check = |text: &str, seconds: Option<u64>| {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        };
        check("7", Some(7));
        check("Wed, 21 Oct 2015 07:28:30 GMT", Some(30));
        check("Wed, 21 Oct 2015 07:27:00 GMT", Some(0));
        check("soon", None);
        check("-1", None);
    }
}

//! A headless browser, driven by the W3C WebDriver protocol through chromedriver.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::wait::{Seen, until};

/// How long a page may take to show what is waited for, unless a test says otherwise.
const PATIENCE: Duration = Duration::from_secs(15);
/// The key under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window, closed when dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    session: String,
    client: reqwest::Client,
    profile: TempDir,
}

/// An element of the page.
#[derive(Clone, Debug)]
pub struct Element(String);

impl Browser {
    /// Starts a headless Chromium with a fresh profile and a window of this many pixels.
    pub async fn start(width: u32, height: u32) -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("weir-browser-").tempdir()?;
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            // A group of its own, with the browser that it starts.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting chromedriver; script/setup --for test installs it")?;
        let port = driver_port(&mut driver)?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_mins(1))
            .build()?;
        let mut browser = Self {
            driver,
            session: format!("http://127.0.0.1:{port}/session"),
            client,
            profile,
        };
        let options =
            json!({ "args": arguments(width, height, browser.profile.path()), "binary": chromium()? });
        let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let created = browser
            .send(
                Method::POST,
                "",
                &json!({ "capabilities": { "alwaysMatch": capabilities } }),
            )
            .await?;
        let id = created["sessionId"]
            .as_str()
            .context("the driver names its session")?;
        browser.session = format!("{}/{id}", browser.session);
        Ok(browser)
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.session));
        if method == Method::POST {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let mut answer: Value = response.json().await?;
        ensure!(
            status.is_success(),
            "{method} {path}: {}",
            answer["value"]["message"]
        );
        Ok(answer["value"].take())
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.send(Method::POST, "/url", &json!({ "url": url }))
            .await
            .map(drop)
    }

    /// The address that is open.
    pub async fn address(&self) -> Result<String> {
        let value = self.send(Method::GET, "/url", &Value::Null).await?;
        Ok(value.as_str().context("an address is text")?.to_owned())
    }

    /// Every element with this `data-testid` that is there now.
    pub async fn all(&self, test_id: &str) -> Result<Vec<Element>> {
        let body = json!({ "using": "css selector", "value": format!("[data-testid='{test_id}']") });
        let found = self.send(Method::POST, "/elements", &body).await?;
        let list = found.as_array().context("elements are a list")?;
        Ok(list
            .iter()
            .filter_map(|e| e[ELEMENT].as_str())
            .map(|id| Element(id.to_owned()))
            .collect())
    }

    /// The first element with this `data-testid`, once it is there.
    pub async fn find(&self, test_id: &str) -> Result<Element> {
        until(&format!("'{test_id}' on the page"), PATIENCE, async || {
            Ok(match self.all(test_id).await?.into_iter().next() {
                Some(element) => Seen::Done(element),
                None => Seen::NotYet(self.page_text().await?),
            })
        })
        .await
    }

    /// Clicks on the first element with this `data-testid`, once it takes a click.
    pub async fn click(&self, test_id: &str) -> Result<()> {
        until(&format!("'{test_id}' to take a click"), PATIENCE, async || {
            let Some(Element(id)) = self.all(test_id).await?.into_iter().next() else {
                return Ok(Seen::NotYet(self.page_text().await?));
            };
            Ok(
                match self
                    .send(Method::POST, &format!("/element/{id}/click"), &json!({}))
                    .await
                {
                    Ok(_) => Seen::Done(()),
                    Err(error) => Seen::NotYet(format!("{error:#}")),
                },
            )
        })
        .await
    }

    /// Replaces the text of an input.
    pub async fn fill(&self, test_id: &str, text: &str) -> Result<()> {
        let Element(id) = self.find(test_id).await?;
        self.send(Method::POST, &format!("/element/{id}/clear"), &json!({}))
            .await?;
        self.send(
            Method::POST,
            &format!("/element/{id}/value"),
            &json!({ "text": text }),
        )
        .await
        .map(drop)
    }

    /// The text that a person sees in the first element with this `data-testid`, once `wanted` holds for it.
    pub async fn text_when(
        &self,
        test_id: &str,
        within: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String> {
        until(&format!("the text of '{test_id}'"), within, async || {
            let script = "const e = document.querySelector(arguments[0]); return e ? (e.innerText ?? e.textContent) : null";
            let found = self.run(script, &[json!(format!("[data-testid='{test_id}']"))]).await?;
            Ok(match found.as_str() {
                Some(text) if wanted(text) => Seen::Done(text.to_owned()),
                Some(text) => Seen::NotYet(format!("'{text}'")),
                None => Seen::NotYet(format!("no such element in: {}", self.page_text().await?)),
            })
        })
        .await
    }

    /// Runs a script in the page; it may return a value.
    pub async fn run(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        self.send(
            Method::POST,
            "/execute/sync",
            &json!({ "script": script, "args": arguments }),
        )
        .await
    }

    /// All text that a person sees.
    pub async fn page_text(&self) -> Result<String> {
        let text = self
            .run("return document.body ? document.body.innerText : ''", &[])
            .await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Writes a picture of the window as PNG.
    pub async fn screenshot(&self, file: &Path) -> Result<()> {
        let value = self.send(Method::GET, "/screenshot", &Value::Null).await?;
        let bytes =
            base64::engine::general_purpose::STANDARD.decode(value.as_str().context("a picture is text")?)?;
        std::fs::write(file, bytes).with_context(|| format!("writing {}", file.display()))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver alone would leave its browser behind.
        let _ = killpg(Pid::from_raw(self.driver.id() as i32), Signal::SIGKILL);
        let _ = self.driver.wait();
    }
}

/// The port that the driver says it listens on.
fn driver_port(driver: &mut Child) -> Result<u16> {
    let mut said = BufReader::new(driver.stdout.take().context("the driver's output is piped")?);
    let mut line = String::new();
    while said.read_line(&mut line)? > 0 {
        if let Some((_, port)) = line.trim().rsplit_once("started successfully on port ") {
            let port = port.trim_end_matches('.').parse()?;
            // Read on, so that the driver never waits for somebody to read what it says.
            std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
            return Ok(port);
        }
        line.clear();
    }
    bail!("chromedriver ended without naming its port")
}

fn chromium() -> Result<&'static str> {
    [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ]
    .into_iter()
    .find(|path| Path::new(path).exists())
    .context("there is no Chromium; script/setup --for test installs it")
}

fn arguments(width: u32, height: u32, profile: &Path) -> Vec<String> {
    let fixed = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-default-apps",
        "--no-first-run",
        "--no-proxy-server",
        "--lang=en-US",
    ];
    let mut all: Vec<String> = fixed.iter().map(|a| (*a).to_owned()).collect();
    all.push(format!("--window-size={width},{height}"));
    all.push(format!("--user-data-dir={}", profile.display()));
    all
}

//! The page as a test sees and uses it.

use local_services::testing::eventually;
use serde_json::{Value, json};
use thirtyfour::TypingData;
use thirtyfour::prelude::*;

use super::browser::{Browser, Engine};
use super::{Service, needed, target};

/// How the page is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) scheme: &'static str,
    pub(crate) zone: &'static str,
    pub(crate) less_motion: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            width: 1280,
            height: 860,
            scheme: "light",
            zone: "Europe/Zurich",
            less_motion: true,
        }
    }
}

/// An open page.
pub(crate) struct Page {
    pub(crate) browser: Browser,
    url: String,
}

impl Page {
    /// The page of a service, loaded.
    pub(crate) async fn open(service: &Service) -> Self {
        Self::open_as(service, Look::default(), "").await
    }

    /// The page at a place such as `#/month`.
    pub(crate) async fn open_at(service: &Service, place: &str) -> Self {
        Self::open_as(service, Look::default(), place).await
    }

    pub(crate) async fn open_as(service: &Service, look: Look, place: &str) -> Self {
        let page = Self::prepare(service, look).await;
        page.go(place).await;
        page
    }

    /// The page in another browser. That can only do what any driver has words for.
    pub(crate) async fn open_in(engine: Engine, service: &Service) -> Self {
        let page = Self {
            browser: Browser::start(engine).await,
            url: service.url.clone(),
        };
        page.driver()
            .set_window_rect(0, 0, 1280, 900)
            .await
            .unwrap();
        page.go("").await;
        page
    }

    /// A Chromium that has not opened the page yet.
    pub(crate) async fn prepare(service: &Service, look: Look) -> Self {
        let page = Self {
            browser: Browser::start(Engine::Chromium).await,
            url: service.url.clone(),
        };
        page.look_as(look).await;
        page
    }

    pub(crate) fn driver(&self) -> &WebDriver {
        &self.browser.driver
    }

    /// Tells the browser something that its driver has no words for.
    pub(crate) async fn devtools(&self, method: &str, params: Value) -> Value {
        let cdp = self.driver().cdp();
        cdp.send_raw(method, params).await.unwrap()
    }

    pub(crate) async fn look_as(&self, look: Look) {
        let metrics = json!({ "width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let motion = if look.less_motion {
            "reduce"
        } else {
            "no-preference"
        };
        let features = json!([
            { "name": "prefers-color-scheme", "value": look.scheme },
            { "name": "prefers-reduced-motion", "value": motion },
        ]);
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
        self.devtools(
            "Emulation.setTimezoneOverride",
            json!({ "timezoneId": look.zone }),
        )
        .await;
        self.devtools("Emulation.setLocaleOverride", json!({ "locale": "en-GB" }))
            .await;
    }

    /// Loads the page, and waits until it shows what the server has.
    pub(crate) async fn go(&self, place: &str) {
        self.driver()
            .goto(format!("{}/{place}", self.url))
            .await
            .unwrap();
        self.wait_until_started().await;
        // to another place in the page that is open, the driver does not wait
        let view = match place.get(..4) {
            Some("#/mo") => "month",
            Some("#/ex") => "export",
            _ => "todos",
        };
        self.until(&format!(
            "!document.querySelector('#{view}-view').hidden && document.querySelectorAll('.view:not([hidden])').length === 1"
        ))
        .await;
    }

    pub(crate) async fn reload(&self) {
        self.driver().refresh().await.unwrap();
        self.wait_until_started().await;
    }

    async fn wait_until_started(&self) {
        self.until("document.querySelector('.view:not([hidden])') !== null && document.title !== 'TaskOverflow'")
            .await;
        self.until("performance.getEntriesByType('resource').some((r) => r.name.endsWith('/api/v1/todos')) || document.querySelector('#connection').textContent !== ''")
            .await;
    }

    /// Waits until the browser has what the page needs without its server.
    pub(crate) async fn wait_until_offline_works(&self) {
        let script = "navigator.serviceWorker.ready.then(arguments[0])";
        let ready = self.driver().execute_async(script, Vec::new()).await;
        ready.unwrap();
    }

    /// The value of an expression in the page.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        let answer = self.driver().execute(script, Vec::new()).await;
        let answer = answer.unwrap_or_else(|error| panic!("{expression}: {error}"));
        answer.json().clone()
    }

    /// Runs statements in the page.
    pub(crate) async fn run(&self, script: &str) {
        self.driver().execute(script, Vec::new()).await.unwrap();
    }

    /// Runs a script at the start of every document from now on, before the page's own.
    pub(crate) async fn run_at_start(&self, script: &str) {
        self.devtools(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": script }),
        )
        .await;
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn until(&self, expression: &str) -> impl Future<Output = ()> {
        eventually(expression, async || self.value(expression).await == true)
    }

    /// Waits until an element of the selector has exactly this text, as a person reads it.
    pub(crate) async fn until_text(&self, selector: &str, text: &str) {
        let expression = format!(
            "[...document.querySelectorAll({})].some((e) => e.innerText.trim() === {})",
            json!(selector),
            json!(text)
        );
        self.until(&expression).await;
    }

    /// Waits until an element of the selector has this in its text.
    pub(crate) async fn until_has(&self, selector: &str, part: &str) {
        let expression = format!(
            "[...document.querySelectorAll({})].some((e) => e.innerText.includes({}))",
            json!(selector),
            json!(part)
        );
        self.until(&expression).await;
    }

    /// Waits until these are the titles in the list, from its top.
    pub(crate) async fn until_titles(&self, titles: &[&str]) {
        self.until_titles_in("#todo-list", titles).await;
    }

    pub(crate) async fn until_titles_in(&self, list: &str, titles: &[&str]) {
        let expression = format!(
            "JSON.stringify([...document.querySelectorAll('{list} > :not([hidden]) .todo-view .todo-title')].map((e) => e.textContent))"
        );
        let wanted = serde_json::to_string(titles).unwrap();
        let mut seen = Value::Null;
        eventually(&format!("the titles {wanted}"), async || {
            seen = self.value(&expression).await;
            seen == wanted
        })
        .await;
    }

    /// The first element of the selector that is shown, once it is there.
    pub(crate) async fn element(&self, selector: &str) -> WebElement {
        let mut found = None;
        eventually(&format!("{selector} is shown"), async || {
            for element in self.driver().find_all(By::Css(selector)).await.unwrap() {
                if element.is_displayed().await.unwrap_or(false) {
                    found = Some(element);
                    return true;
                }
            }
            false
        })
        .await;
        found.unwrap()
    }

    /// The row of a todo.
    pub(crate) async fn row(&self, title: &str) -> WebElement {
        let path =
            format!("//li[contains(@class,'todo')][.//span[@class='todo-title'][.={title:?}]]");
        let mut found = None;
        eventually(&format!("a row {title}"), async || {
            let rows = self.driver().find_all(By::XPath(path.as_str())).await;
            for row in rows.unwrap() {
                if row.is_displayed().await.unwrap_or(false) {
                    found = Some(row);
                    return true;
                }
            }
            false
        })
        .await;
        found.unwrap()
    }

    /// A part of the row of a todo.
    pub(crate) async fn part_of(&self, title: &str, selector: &str) -> WebElement {
        let row = self.row(title).await;
        row.find(By::Css(selector)).await.unwrap()
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.element(selector).await.click().await.unwrap();
    }

    /// Types into an element, after what is there.
    pub(crate) async fn type_into(&self, selector: &str, text: impl AsRef<str>) {
        let element = self.element(selector).await;
        element.send_keys(text.as_ref()).await.unwrap();
    }

    /// Sets a field as its picker does, whatever the browser's own format.
    pub(crate) async fn set(&self, selector: &str, value: &str) {
        self.element(selector).await;
        let script = format!(
            "const e = [...document.querySelectorAll({})].find((e) => e.offsetParent); e.value = {}; \
             e.dispatchEvent(new Event('input', {{ bubbles: true }})); e.dispatchEvent(new Event('change', {{ bubbles: true }}));",
            json!(selector),
            json!(value)
        );
        self.driver().execute(script, Vec::new()).await.unwrap();
    }

    /// Presses keys where the focus is.
    pub(crate) async fn press(&self, keys: impl Into<TypingData>) {
        let chain = self.driver().action_chain().send_keys(keys.into());
        chain.perform().await.unwrap();
    }

    /// The driver's own double click is two single ones on a machine that takes too long for it.
    pub(crate) async fn double_click(&self, element: &WebElement) {
        element.scroll_into_view().await.unwrap();
        let rect = element.rect().await.unwrap();
        let scrolled = self.value("[scrollX, scrollY]").await;
        let x = rect.x + rect.width / 2.0 - scrolled[0].as_f64().unwrap();
        let y = rect.y + rect.height / 2.0 - scrolled[1].as_f64().unwrap();
        for count in [1, 2] {
            for kind in ["mousePressed", "mouseReleased"] {
                self.devtools(
                    "Input.dispatchMouseEvent",
                    json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": count }),
                )
                .await;
            }
        }
    }

    /// Whether the element with the focus is of the selector.
    pub(crate) async fn until_focused(&self, selector: &str) {
        let expression = format!("document.activeElement.matches({})", json!(selector));
        self.until(&expression).await;
    }

    /// Makes sure that axe-core finds nothing wrong with the page as it is now.
    pub(crate) async fn assert_accessible(&self, state: &str) {
        // what is half faded in has another contrast
        self.until("document.getAnimations().every((a) => a.playState !== 'running' || a.effect.getComputedTiming().iterations === Infinity)")
            .await;
        let axe = needed(
            target().join("page-tests/node_modules/axe-core/axe.min.js"),
            "run .ci/page-tests",
        );
        let axe = std::fs::read_to_string(axe).unwrap();
        let script = format!(
            "const done = arguments[0]; {axe}; axe.run(document, {{ runOnly: {{ type: 'tag', values: \
             ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }} }})\
             .then(({{ violations, passes }}) => done({{ passes: passes.length, violations: violations.map((v) => \
             `${{v.id}}: ${{v.help}} (${{v.nodes.map((n) => n.target).join('; ')}})`) }}), (error) => done({{ violations: [String(error)] }}));"
        );
        let answer = self
            .driver()
            .execute_async(script, Vec::new())
            .await
            .unwrap();
        let answer = answer.json();
        assert_eq!(answer["violations"], json!([]), "{state}");
        assert!(
            answer["passes"].as_u64().unwrap() > 10,
            "{state}: axe looked at nothing"
        );
    }
}

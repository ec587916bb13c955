//! The page in a browser: opening it and running scripts in it.

mod accessibility;
mod actions;
mod operations;
mod waits;

use serde_json::{Value, json};
use thirtyfour::WindowHandle;
use thirtyfour::prelude::*;

use super::Service;
use super::browser::{Browser, Engine};

/// The screen and the preferences that Chromium emulates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Emulation {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) color_scheme: &'static str,
    pub(crate) time_zone: &'static str,
    pub(crate) reduced_motion: bool,
}

impl Default for Emulation {
    fn default() -> Self {
        Self {
            width: 1280,
            height: 860,
            color_scheme: "light",
            time_zone: "Europe/Zurich",
            reduced_motion: true,
        }
    }
}

/// The page in a browser of its own.
pub(crate) struct Page {
    pub(crate) browser: Browser,
    url: String,
}

impl Page {
    /// Opens the page of a service in Chromium.
    pub(crate) async fn open(service: &Service) -> Self {
        Self::open_with(service, Emulation::default(), "").await
    }

    /// Opens the view that a fragment such as `#/month` names.
    pub(crate) async fn open_at(service: &Service, fragment: &str) -> Self {
        Self::open_with(service, Emulation::default(), fragment).await
    }

    /// Opens a view with other preferences.
    pub(crate) async fn open_with(service: &Service, emulation: Emulation, fragment: &str) -> Self {
        let page = Self::prepare(service).await;
        page.emulate(emulation).await;
        page.go(fragment).await;
        page
    }

    /// Opens the page in any browser. Methods that use Chromium's developer tools do not work in others.
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

    /// Starts Chromium without opening the page yet.
    pub(crate) async fn prepare(service: &Service) -> Self {
        let page = Self {
            browser: Browser::start(Engine::Chromium).await,
            url: service.url.clone(),
        };
        page.emulate(Emulation::default()).await;
        page
    }

    pub(crate) fn driver(&self) -> &WebDriver {
        &self.browser.driver
    }

    /// Calls a method of Chromium's developer tools, for what `WebDriver` can't do.
    pub(crate) async fn devtools(&self, method: &str, params: Value) -> Value {
        let cdp = self.driver().cdp();
        cdp.send_raw(method, params).await.unwrap()
    }

    /// Changes the emulated screen and preferences.
    pub(crate) async fn emulate(&self, emulation: Emulation) {
        let metrics = json!({ "width": emulation.width, "height": emulation.height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let motion = if emulation.reduced_motion {
            "reduce"
        } else {
            "no-preference"
        };
        let features = json!([
            { "name": "prefers-color-scheme", "value": emulation.color_scheme },
            { "name": "prefers-reduced-motion", "value": motion },
        ]);
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
        self.devtools(
            "Emulation.setTimezoneOverride",
            json!({ "timezoneId": emulation.time_zone }),
        )
        .await;
        self.devtools("Emulation.setLocaleOverride", json!({ "locale": "en-GB" }))
            .await;
    }

    /// Loads the page, and waits until it has started and shows the view.
    pub(crate) async fn go(&self, fragment: &str) {
        self.driver()
            .goto(format!("{}/{fragment}", self.url))
            .await
            .unwrap();
        self.wait_until_started().await;
        // if only the fragment changes, the driver does not wait
        let view = match fragment.get(..4) {
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

    /// Waits until the browser can open the page without the server.
    pub(crate) async fn wait_until_offline_works(&self) {
        let script = "navigator.serviceWorker.ready.then(arguments[0])";
        let ready = self.driver().execute_async(script, Vec::new()).await;
        ready.unwrap();
    }

    /// Returns the value of a JavaScript expression.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        let value = self.driver().execute(script, Vec::new()).await;
        let value = value.unwrap_or_else(|error| panic!("{expression}: {error}"));
        value.json().clone()
    }

    /// Runs JavaScript statements.
    pub(crate) async fn run(&self, script: &str) {
        self.driver().execute(script, Vec::new()).await.unwrap();
    }

    /// Runs a script in every document that is loaded from now on, before the page's own scripts.
    pub(crate) async fn run_at_start(&self, script: &str) {
        self.devtools(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": script }),
        )
        .await;
    }

    /// Opens the page in a second tab too. Returns the first and the second window; the second one is active.
    pub(crate) async fn open_second_tab(&self) -> (WindowHandle, WindowHandle) {
        let first = self.driver().window().await.unwrap();
        let second = self.driver().new_tab().await.unwrap();
        self.switch_to(&second).await;
        self.go("").await;
        (first, second)
    }

    /// Makes a tab the active one.
    pub(crate) async fn switch_to(&self, window: &WindowHandle) {
        let window = window.clone();
        self.driver().switch_to_window(window).await.unwrap();
    }
}

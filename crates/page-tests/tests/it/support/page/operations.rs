//! The page for operators.

use serde_json::{Value, json};
use thirtyfour::Key;

use super::super::browser::Browser;
use super::super::recorded::STREAM_OF_THE_TEST;
use super::super::{Engine, Service};
use super::{Emulation, Page};

impl Page {
    /// Opens the page for operators in Chromium, and waits until it shows numbers.
    pub(crate) async fn open_operations(service: &Service) -> Self {
        Self::open_operations_with(service, Emulation::default(), "").await
    }

    /// Opens it with other preferences, and with a fragment such as `#job/ID`.
    pub(crate) async fn open_operations_with(
        service: &Service,
        emulation: Emulation,
        fragment: &str,
    ) -> Self {
        let page = Self::prepare(service).await;
        page.emulate(emulation).await;
        page.go_to_operations(fragment).await;
        page.until_live().await;
        page
    }

    /// Opens it with a stream to which [`send`](Self::send) adds snapshots. Returns the first of them, too.
    pub(crate) async fn open_operations_with_stream(service: &Service) -> (Self, Value) {
        let page = Self::prepare(service).await;
        page.run_at_start(STREAM_OF_THE_TEST).await;
        page.go_to_operations("").await;
        page.until("window.send !== undefined").await;
        let snapshot = service.call("GET", "operations", None).await;
        page.send(&snapshot).await;
        page.until_live().await;
        (page, snapshot)
    }

    /// Sends a snapshot, and waits until the page shows its number of jobs in the outbox.
    pub(crate) async fn send(&self, snapshot: &Value) {
        self.run(&format!("window.send({snapshot})")).await;
        let outbox = snapshot["outbox"]["jobs"].to_string();
        self.until_number("outbox", &outbox).await;
    }

    /// Opens it in any browser.
    pub(crate) async fn open_operations_in(engine: Engine, service: &Service) -> Self {
        let page = Self {
            browser: Browser::start(engine).await,
            url: service.url.clone(),
        };
        let driver = page.driver();
        driver.set_window_rect(0, 0, 1280, 900).await.unwrap();
        page.go_to_operations("").await;
        page.until_live().await;
        page
    }

    /// Loads the page for operators, and waits until its scripts run.
    pub(crate) async fn go_to_operations(&self, fragment: &str) {
        let url = format!("{}/operations{fragment}", self.url);
        self.driver().goto(url).await.unwrap();
        self.until_count("#not-started", 0).await;
    }

    /// Waits until the numbers are those of the server.
    pub(crate) async fn until_live(&self) {
        self.until_text("#live", "Live").await;
        self.until("document.querySelector('#about').textContent !== ''")
            .await;
    }

    /// Waits until a tile shows this number.
    pub(crate) async fn until_number(&self, name: &str, number: &str) {
        self.until_text(&format!("[data-value={name}]"), number)
            .await;
    }

    /// Answers the dialog that asks for a confirmation with yes.
    pub(crate) async fn confirm(&self) {
        self.until("document.querySelector('#confirm').open").await;
        self.click("#confirm-yes").await;
    }

    /// Enters an operator's token.
    pub(crate) async fn sign_in_as_operator(&self, token: &str) {
        self.until("document.querySelector('#sign-in').open").await;
        self.type_into("#token", token).await;
        self.press(Key::Enter).await;
    }

    /// Presses Tab until an element of the selector has the focus.
    pub(crate) async fn tab_to(&self, selector: &str) {
        let is_focused = format!("document.activeElement.matches({})", json!(selector));
        for _ in 0..60 {
            if self.value(&is_focused).await == true {
                return;
            }
            self.press(Key::Tab).await;
        }
        panic!("Tab does not reach {selector}");
    }
}

//! Waiting until the page shows something.

use local_services::testing::eventually;
use serde_json::{Value, json};

use super::Page;

impl Page {
    /// Waits until a JavaScript expression is true.
    #[track_caller]
    pub(crate) fn until(&self, expression: &str) -> impl Future<Output = ()> {
        eventually(expression, async || self.value(expression).await == true)
    }

    /// Waits until an element that matches the selector shows exactly this text.
    pub(crate) async fn until_text(&self, selector: &str, text: &str) {
        let expression = format!(
            "[...document.querySelectorAll({})].some((e) => e.innerText.trim() === {})",
            json!(selector),
            json!(text)
        );
        self.until(&expression).await;
    }

    /// Waits until the text of an element of the selector contains this.
    pub(crate) async fn until_has(&self, selector: &str, part: &str) {
        let expression = format!(
            "[...document.querySelectorAll({})].some((e) => e.innerText.includes({}))",
            json!(selector),
            json!(part)
        );
        self.until(&expression).await;
    }

    /// Waits until the list shows these titles, from top to bottom.
    pub(crate) async fn until_titles(&self, titles: &[&str]) {
        self.until_titles_in("#todo-list", titles).await;
    }

    /// Waits until a list shows these titles, from top to bottom.
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

    /// Waits until an element of the selector has the focus.
    pub(crate) async fn until_focused(&self, selector: &str) {
        let expression = format!("document.activeElement.matches({})", json!(selector));
        self.until(&expression).await;
    }

    /// Waits until the only element of the selector is not hidden.
    pub(crate) async fn until_shown(&self, selector: &str) {
        let element = format!("document.querySelector({})", json!(selector));
        self.until(&format!("{element} && !{element}.hidden")).await;
    }

    /// Waits until the only element of the selector is hidden.
    pub(crate) async fn until_hidden(&self, selector: &str) {
        let element = format!("document.querySelector({})", json!(selector));
        self.until(&format!("{element}?.hidden")).await;
    }

    /// Waits until the document has this many elements of the selector.
    pub(crate) async fn until_count(&self, selector: &str, count: usize) {
        let selector = json!(selector);
        self.until(&format!(
            "document.querySelectorAll({selector}).length === {count}"
        ))
        .await;
    }

    /// Waits until a field has this value.
    pub(crate) async fn until_value(&self, selector: &str, value: &str) {
        let (selector, value) = (json!(selector), json!(value));
        self.until(&format!(
            "document.querySelector({selector})?.value === {value}"
        ))
        .await;
    }

    /// Waits until a job in the list has this status label.
    pub(crate) async fn until_job(&self, label: &str) {
        self.until_has(".job .badge", label).await;
    }

    /// Waits until no todo is being edited.
    pub(crate) async fn until_editor_closed(&self) {
        self.until_count(".editor", 0).await;
    }

    /// Waits until all notices have closed.
    pub(crate) async fn until_no_notice(&self) {
        self.until_count(".notice", 0).await;
    }

    /// Waits until the page no longer shows a problem with the connection.
    pub(crate) async fn until_connected(&self) {
        self.until("document.querySelector('#connection').textContent === ''")
            .await;
    }
}

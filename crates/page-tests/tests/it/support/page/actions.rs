//! What a visitor does on the page.

use local_services::testing::eventually;
use serde_json::json;
use thirtyfour::TypingData;
use thirtyfour::prelude::*;

use super::Page;

impl Page {
    /// Waits for a displayed element of the selector, and returns the first one.
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

    /// Waits for the row of a todo, and returns it.
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

    /// Returns a part of a todo's row.
    pub(crate) async fn part_of(&self, title: &str, selector: &str) -> WebElement {
        let row = self.row(title).await;
        row.find(By::Css(selector)).await.unwrap()
    }

    /// Clicks the first displayed element of the selector.
    pub(crate) async fn click(&self, selector: &str) {
        self.element(selector).await.click().await.unwrap();
    }

    /// Types into a field, after its current text.
    pub(crate) async fn type_into(&self, selector: &str, text: impl AsRef<str>) {
        let element = self.element(selector).await;
        element.send_keys(text.as_ref()).await.unwrap();
    }

    /// Sets the value of a field, as a date picker does.
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

    /// Types keys into the element that has the focus.
    pub(crate) async fn press(&self, keys: impl Into<TypingData>) {
        let chain = self.driver().action_chain().send_keys(keys.into());
        chain.perform().await.unwrap();
    }

    /// Double-clicks an element. On a slow machine, the driver's own double click becomes two single clicks.
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

    /// Gives the focus to an element, displayed or not.
    pub(crate) async fn focus(&self, selector: &str) {
        let selector = json!(selector);
        self.run(&format!("document.querySelector({selector}).focus()"))
            .await;
    }

    /// Takes the focus away from every element.
    pub(crate) async fn blur(&self) {
        self.run("document.activeElement.blur()").await;
    }

    /// Gives the focus to a part of a todo's row.
    pub(crate) async fn focus_part(&self, title: &str, selector: &str) {
        self.part_of(title, selector).await.focus().await.unwrap();
    }

    /// Adds a todo with the form of the list.
    pub(crate) async fn add_todo(&self, title: &str) {
        self.type_into("#new-title", title).await;
        self.press(Key::Enter).await;
    }

    /// Clicks a todo's check box.
    pub(crate) async fn toggle(&self, title: &str) {
        self.click_part(title, ".toggle").await;
    }

    /// Opens the form that edits a todo.
    pub(crate) async fn edit(&self, title: &str) {
        self.click_part(title, ".edit-button").await;
    }

    /// Deletes a todo; that can be undone until its notice closes.
    pub(crate) async fn delete(&self, title: &str) {
        self.click_part(title, ".destroy").await;
    }

    async fn click_part(&self, title: &str, selector: &str) {
        self.part_of(title, selector).await.click().await.unwrap();
    }

    /// Submits the form of the export view.
    pub(crate) async fn create_calendar(&self) {
        self.click("#export-form [type=submit]").await;
    }
}

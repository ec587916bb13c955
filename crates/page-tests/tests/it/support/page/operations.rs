//! The page for operators.

use super::Page;

impl Page {
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
}

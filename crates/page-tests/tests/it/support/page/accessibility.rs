//! The automatic accessibility check.

use serde_json::json;

use super::super::{needed, target};
use super::Page;

impl Page {
    /// Asserts that axe-core finds no violation in the current state of the page.
    pub(crate) async fn assert_accessible(&self, state: &str) {
        // an element that is still fading in has a lower contrast
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
        let result = self
            .driver()
            .execute_async(script, Vec::new())
            .await
            .unwrap();
        let result = result.json();
        assert_eq!(result["violations"], json!([]), "{state}");
        assert!(
            result["passes"].as_u64().unwrap() > 10,
            "{state}: axe-core checked nothing"
        );
    }
}

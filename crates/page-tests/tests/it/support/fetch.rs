//! Scripts that replace `window.fetch` in the page, to simulate a server that is slow or fails.

/// Makes `fetch` return `result` if `condition` holds. Both are JavaScript and may use its arguments, `url` and
/// `options`.
pub(crate) fn replace(condition: &str, result: &str) -> String {
    format!(
        "const real = window.fetch; window.fetch = (url, options) => ({condition}) ? ({result}) : real(url, options);"
    )
}

/// Makes requests fail with `status` if `condition` holds.
pub(crate) fn fail(condition: &str, status: u16) -> String {
    replace(
        condition,
        &format!("Promise.resolve(new Response('', {{ status: {status} }}))"),
    )
}

/// Holds responses back until `window.release()` is called, if the method matches and the URL ends with the regular
/// expression `end`. `window.heldBack` counts them.
pub(crate) fn hold_back(method: &str, end: &str) -> String {
    format!(
        "const real = window.fetch; window.heldBack = 0; const released = new Promise((go) => (window.release = go)); \
         window.fetch = async (url, options) => {{ const response = await real(url, options); \
         if (options?.method === '{method}' && RegExp('{end}$').test(url)) {{ window.heldBack += 1; await released; }} return response; }};"
    )
}

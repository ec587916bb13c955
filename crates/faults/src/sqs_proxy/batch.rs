//! Batch calls: their entries, and answers that misreport some of them.

use serde_json::{Value, json};

use super::rule::EntryError;

/// Returns the message bodies or receipt handles of a batch, in order. Empty if the call is not a batch.
pub(super) fn entries(body: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |entry: &Value| {
        let text = entry.get("MessageBody").or(entry.get("ReceiptHandle"))?;
        Some(text.as_str()?.to_owned())
    };
    let entries = body.get("Entries").and_then(Value::as_array);
    entries.into_iter().flatten().filter_map(text).collect()
}

/// Returns whether a call is for a dead-letter queue, which is recognised by the name that
/// [`Queue`](crate::queue::Queue) gives it.
pub(super) fn is_of_dead_letters(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let url = body.get("QueueUrl").and_then(Value::as_str);
    url.is_some_and(|url| url.trim_end_matches(".fifo").ends_with("-dead-letters"))
}

/// Returns the messages in an answer: the id of each, and how many times it has been received.
pub(super) fn received(answer: &[u8]) -> Vec<(String, u32)> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let message = |message: &Value| {
        let count = message
            .pointer("/Attributes/ApproximateReceiveCount")?
            .as_str()?;
        let id = message.get("MessageId")?.as_str()?;
        Some((id.to_owned(), count.parse().ok()?))
    };
    let messages = answer.get("Messages").and_then(Value::as_array);
    messages.into_iter().flatten().filter_map(message).collect()
}

/// A batch with a fault in some of its entries.
pub(super) struct Batch {
    call: Value,
    /// The ids of the affected entries.
    affected: Vec<Value>,
}

impl Batch {
    /// Returns `None` if the call is not a batch.
    pub(super) fn read(body: &[u8], mut is_affected: impl FnMut(usize) -> bool) -> Option<Self> {
        let call: Value = serde_json::from_slice(body).ok()?;
        let all = call.get("Entries")?.as_array()?;
        let affected = all
            .iter()
            .enumerate()
            .filter(|(index, _)| is_affected(*index))
            .filter_map(|(_, entry)| entry.get("Id").cloned())
            .collect();
        Some(Self { call, affected })
    }

    /// Returns the call to forward, with or without the affected entries. `None` if no entry is left.
    pub(super) fn to_forward(&self, with_affected: bool) -> Option<Value> {
        let mut call = self.call.clone();
        let entries = call.get_mut("Entries")?.as_array_mut()?;
        entries.retain(|entry| with_affected || !self.is_affected(entry));
        (!entries.is_empty()).then_some(call)
    }

    /// Returns the answer with the affected entries in the list of failed ones. Without an `error`, they are in neither
    /// list.
    pub(super) fn misreport(&self, answer: &Value, error: Option<EntryError>) -> Value {
        let list = |name: &str| {
            let list = answer.get(name).and_then(Value::as_array);
            let rest = list
                .into_iter()
                .flatten()
                .filter(|entry| !self.is_affected(entry));
            rest.cloned().collect::<Vec<_>>()
        };
        let mut failed = list("Failed");
        if let Some(error) = error {
            failed.extend(self.affected.iter().map(|id| error.entry(id)));
        }
        json!({ "Successful": list("Successful"), "Failed": failed })
    }

    /// Returns the answer with the affected entries in the list of successful ones.
    pub(super) fn confirm(&self, answer: &Value) -> Value {
        let mut answer = self.misreport(answer, None);
        let confirmed = self
            .affected
            .iter()
            .map(|id| json!({ "Id": id, "MessageId": "lost", "MD5OfMessageBody": "not sent" }));
        if let Some(successful) = answer.get_mut("Successful").and_then(Value::as_array_mut) {
            successful.extend(confirmed);
        }
        answer
    }

    fn is_affected(&self, entry: &Value) -> bool {
        entry.get("Id").is_some_and(|id| self.affected.contains(id))
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::Entries;
    use super::*;

    fn batch(entries: Entries) -> Batch {
        let call = json!({ "QueueUrl": "u", "Entries": [{ "Id": "0", "MessageBody": "a" }, { "Id": "1", "MessageBody": "b" }] });
        Batch::read(call.to_string().as_bytes(), |index| entries.include(index)).unwrap()
    }

    #[test]
    fn affected_entries_are_withheld_or_only_misreported() {
        let batch = batch(Entries::EveryOther);
        let forwarded = batch.to_forward(false).unwrap();
        assert_eq!(
            forwarded["Entries"],
            json!([{ "Id": "1", "MessageBody": "b" }])
        );
        assert_eq!(batch.to_forward(true).unwrap(), batch.call);
        let answer = json!({ "Successful": [{ "Id": "0" }, { "Id": "1" }] });
        let omitted = batch.misreport(&answer, None);
        assert_eq!(
            omitted,
            json!({ "Successful": [{ "Id": "1" }], "Failed": [] })
        );
        let failed = batch.misreport(&answer, Some(EntryError::Internal));
        assert_eq!(failed["Failed"][0]["Id"], "0");
    }

    #[test]
    fn lost_entries_are_confirmed_like_the_others() {
        let batch = batch(Entries::EveryOther);
        let answer = json!({ "Successful": [{ "Id": "1" }] });
        let confirmed = batch.confirm(&answer);
        let ids = confirmed["Successful"].as_array().unwrap().iter();
        let ids: Vec<_> = ids.map(|entry| entry["Id"].as_str().unwrap()).collect();
        assert_eq!((ids, &confirmed["Failed"]), (vec!["1", "0"], &json!([])));
    }

    #[test]
    fn nothing_is_forwarded_if_every_entry_is_withheld() {
        assert_eq!(batch(Entries::All).to_forward(false), None);
    }
}

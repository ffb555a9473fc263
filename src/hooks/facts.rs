use crate::mail::MessageContext;
use serde::Serialize;
use serde_json::Value;

/// The input of a hook.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// The fields that templates have too
    #[serde(flatten)]
    pub context: MessageContext,
    /// All directories, the first tree's first
    pub paths: Vec<String>,
    /// The hook's name
    pub hook: String,
    /// `before` or `after`
    pub when: &'static str,
    /// The step, e.g. `dirs`
    pub step: String,
    /// The delivery's number
    pub delivery: i64,
    /// The cause of the delivery, e.g. `user_info` or `run`
    pub cause: String,
    /// The number of times this delivery has started the hook, from 1
    pub attempt: u32,
    /// The settings' file
    pub config: String,
}

impl Facts {
    /// All of it, as the program reads it from its standard input.
    pub fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The environment variables: each name that templates know, in capitals, with BEAMSHARE_ before it.
    /// Lists of texts have a line end between their items; no text contains one. Nested values are only in
    /// the JSON.
    pub fn environment(&self) -> Vec<(String, String)> {
        let Value::Object(facts) = self.json() else { return vec![] };
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Array(list) => {
                let items: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                items.map(|items| items.join("\n"))
            }
            _ => None,
        };
        let named = facts.iter().filter_map(|(name, value)| {
            // A NUL would end the value.
            Some((format!("BEAMSHARE_{}", name.to_ascii_uppercase()), text(value)?.replace('\0', "")))
        });
        named.collect()
    }

    /// Facts for tests and checks.
    pub(super) fn sample(context: MessageContext) -> Facts {
        Facts {
            paths: vec![context.path.clone()],
            hook: "sample".to_owned(),
            when: "after",
            step: "share".to_owned(),
            delivery: 1,
            cause: "user_info".to_owned(),
            attempt: 1,
            config: "beamshare.toml".to_owned(),
            context,
        }
    }
}

//! Injected faults: which call fails, when, and how.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One order: the n-th call of a kind, counted from the order, goes wrong in a given way.
///
/// ```
/// use globus_simulator::Fault;
///
/// let once = Fault::answer("mkdir", 503);
/// let third = Fault::answer("access_create", 429).retry_after(2).nth(3);
/// let forever = Fault::hang("ls").always();
/// # let _ = (once, third, forever);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Name of the call, as in the request log (`mkdir`, `access_create`, `token`, …); `*` for any.
    pub call: String,
    /// Which call of that name, counted from the order: 1 is the next one.
    #[serde(default = "one")]
    pub nth: u64,
    /// How many consecutive calls; 0 for all until the faults are cleared.
    #[serde(default = "one")]
    pub times: u64,
    /// What happens.
    #[serde(flatten)]
    pub action: Action,
}

fn one() -> u64 {
    1
}

/// How a call goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Answers with an HTTP status and the service's error document; nothing is carried out.
    Answer {
        /// HTTP status.
        status: u16,
        /// Error code; the service's usual one for the status when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// Seconds of the header `Retry-After`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        /// The body of the answer in place of the error document: JSON, or a text that is sent as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Value>,
    },
    /// Takes the request and doesn't answer; after `seconds`, where given, it does.
    Hang {
        /// Seconds until the request is carried out after all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
    },
    /// Closes the connection; nothing is carried out.
    CutBefore,
    /// Carries the request out and closes the connection without an answer.
    CutAfter,
    /// Of `transfer` and `delete`: the task is accepted and then fails.
    TaskFail {
        /// Code of the fatal error, such as `PERMISSION_DENIED`.
        code: String,
    },
    /// Of `transfer` and `delete`: the task is accepted and makes no progress, until it is cancelled or its
    /// deadline has passed.
    TaskStall,
    /// Of `transfer` and `delete`: the task is accepted and paused, as the activity manager of a collection
    /// pauses one, until it is resumed (or cancelled, or its deadline has passed).
    TaskPause {
        /// What the activity manager says about it.
        message: String,
    },
    /// Of `transfer` and `delete`: the task is accepted and then waits for a person to renew a credential,
    /// `INACTIVE`, until it is resumed (or cancelled, or its deadline has passed).
    TaskInactive,
}

impl Fault {
    fn new(call: &str, action: Action) -> Self {
        Self { call: call.to_owned(), nth: 1, times: 1, action }
    }

    /// The next such call answers `status`.
    #[must_use]
    pub fn answer(call: &str, status: u16) -> Self {
        Self::new(call, Action::Answer { status, code: None, retry_after: None, body: None })
    }

    /// The next such call is never answered.
    #[must_use]
    pub fn hang(call: &str) -> Self {
        Self::new(call, Action::Hang { seconds: None })
    }

    /// The next such call is answered after so many seconds.
    #[must_use]
    pub fn delay(call: &str, seconds: u64) -> Self {
        Self::new(call, Action::Hang { seconds: Some(seconds) })
    }

    /// The connection of the next such call is closed before anything is done.
    #[must_use]
    pub fn cut_before(call: &str) -> Self {
        Self::new(call, Action::CutBefore)
    }

    /// The next such call is carried out, and its connection closed without an answer.
    #[must_use]
    pub fn cut_after(call: &str) -> Self {
        Self::new(call, Action::CutAfter)
    }

    /// The task of the next `transfer` or `delete` fails with this code.
    #[must_use]
    pub fn task_fail(call: &str, code: &str) -> Self {
        Self::new(call, Action::TaskFail { code: code.to_owned() })
    }

    /// The task of the next `transfer` or `delete` makes no progress.
    #[must_use]
    pub fn task_stall(call: &str) -> Self {
        Self::new(call, Action::TaskStall)
    }

    /// The task of the next `transfer` or `delete` is paused, until [`crate::Simulator::resume_tasks`].
    #[must_use]
    pub fn task_pause(call: &str, message: &str) -> Self {
        Self::new(call, Action::TaskPause { message: message.to_owned() })
    }

    /// The task of the next `transfer` or `delete` becomes inactive, until
    /// [`crate::Simulator::resume_tasks`].
    #[must_use]
    pub fn task_inactive(call: &str) -> Self {
        Self::new(call, Action::TaskInactive)
    }

    /// Not the next such call but the n-th.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = nth;
        self
    }

    /// So many calls in a row.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Every such call, until the faults are cleared.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(0)
    }

    /// With `Retry-After`, of an answer.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        if let Action::Answer { retry_after, .. } = &mut self.action {
            *retry_after = Some(seconds);
        }
        self
    }

    /// With this body in place of the error document: a JSON text is sent as plain text, any other value as
    /// JSON.
    #[must_use]
    pub fn body(mut self, value: Value) -> Self {
        if let Action::Answer { body, .. } = &mut self.action {
            *body = Some(value);
        }
        self
    }

    /// With this error code, of an answer.
    #[must_use]
    pub fn code(mut self, text: &str) -> Self {
        if let Action::Answer { code, .. } = &mut self.action {
            *code = Some(text.to_owned());
        }
        self
    }
}

/// An order and how often its kind of call was seen since.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Order {
    #[serde(flatten)]
    pub fault: Fault,
    pub seen: u64,
}

/// The orders that are open.
#[derive(Debug, Default)]
pub(crate) struct Orders(pub Vec<Order>);

impl Orders {
    pub fn add(&mut self, fault: Fault) {
        self.0.push(Order { fault, seen: 0 });
    }

    /// The fault for this call. The call counts for every matching order; the first order that is due
    /// applies.
    pub fn due(&mut self, call: &str) -> Option<Action> {
        let mut due = None;
        for order in &mut self.0 {
            if order.fault.call != "*" && order.fault.call != call {
                continue;
            }
            order.seen += 1;
            let nth = order.fault.nth.max(1);
            let times = order.fault.times;
            let last = if times == 0 { u64::MAX } else { nth.saturating_add(times - 1) };
            if due.is_none() && (nth..=last).contains(&order.seen) {
                due = Some(order.fault.action.clone());
            }
        }
        due
    }
}

/// What a fault orders for the task of this submission.
#[derive(Debug, Clone)]
pub(crate) enum TaskOrder {
    Fail(String),
    Stall,
    Pause(String),
    Inactive,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_call_and_no_other() {
        let mut orders = Orders::default();
        orders.add(Fault::answer("mkdir", 503).nth(2).times(2));
        let due: Vec<bool> = ["mkdir", "ls", "mkdir", "mkdir", "mkdir"]
            .iter()
            .map(|call| orders.due(call).is_some())
            .collect();
        assert_eq!(due, [false, false, true, true, false]);
    }

    #[test]
    fn reads_and_writes_the_same_json() {
        let fault = Fault::answer("token", 429).retry_after(3);
        let text = serde_json::to_string(&fault).unwrap();
        assert!(text.contains(r#""action":"answer""#), "{text}");
        assert_eq!(serde_json::from_str::<Fault>(&text).unwrap(), fault);
        let short: Fault = serde_json::from_str(r#"{"call":"ls","action":"hang"}"#).unwrap();
        assert_eq!(short, Fault::hang("ls"));
    }
}

//! Tasks.
use uuid::Uuid;
pub(crate) struct Task {
    pub owner: Uuid,
}
impl Task {
    pub fn active(&self) -> bool {
        false
    }
    pub fn uses(&self, _c: Uuid) -> bool {
        false
    }
}

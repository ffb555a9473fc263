use super::Source;
use axum::Router;
use std::sync::Arc;

pub(super) fn router() -> Router<Arc<Vec<Source>>> {
    Router::new()
}

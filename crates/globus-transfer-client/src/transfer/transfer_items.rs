//! The items and filter rules of a transfer.

use serde::Serialize;

use super::{FilterMethod, FilterType};

#[derive(Debug, Clone, Serialize)]
pub(super) struct FilterRule {
    #[serde(rename = "DATA_TYPE")]
    pub data_type: &'static str,
    pub method: FilterMethod,
    pub name: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<FilterType>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct TransferItem {
    #[serde(rename = "DATA_TYPE")]
    pub data_type: &'static str,
    pub source_path: String,
    pub destination_path: String,
    pub recursive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_checksum: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum_algorithm: Option<String>,
}

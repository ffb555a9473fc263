//! Large directories: every page is read, and memory stays the same.

use futures::{StreamExt, TryStreamExt};
use globus_transfer_client::{Authorizer, GlobusClient};
use uuid::Uuid;

use crate::stub::{Reply, Seen, Stub};

const COLLECTION: Uuid = Uuid::from_u128(7);
const MANY: u64 = 1_000_000;
/// The largest page of the service.
const LARGEST_PAGE: u64 = 100_000;

fn number(seen: &Seen, key: &str) -> Option<u64> {
    seen.query.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.parse().ok())
}

/// A directory with so many files, listed as Globus does: `total` counts them, and nothing says whether there
/// is more. `odd` is an entry without a usable name. Written as text, which is fast in a debug build, too.
fn page(seen: &Seen, total: u64, odd: Option<u64>) -> Reply {
    let offset = number(seen, "offset").unwrap_or(0);
    let limit = number(seen, "limit").unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
    let files: Vec<String> = (offset..total.min(offset + limit))
        .map(|n| {
            let name = if odd == Some(n) { "5".to_owned() } else { format!(r#""scan_{n:07}.h5""#) };
            format!(
                r#"{{"DATA_TYPE": "file", "name": {name}, "type": "file", "size": {n}, "user": "tomo",
                "permissions": "0644", "last_modified": "2026-11-24 10:00:00+00:00", "link_target": null}}"#
            )
        })
        .collect();
    let body = format!(
        r#"{{"DATA_TYPE": "file_list", "path": "/", "length": {}, "total": {total}, "DATA": [{}]}}"#,
        files.len(),
        files.join(",")
    );
    Reply::Raw(200, vec![], body.into_bytes(), false)
}

fn client(stub: &Stub) -> GlobusClient {
    GlobusClient::builder()
        .transfer_url(stub.url.clone())
        .auth_url(stub.url.clone())
        .authorizer(Authorizer::access_token("t"))
        .build()
        .unwrap()
}

/// The largest memory of this process so far, in MiB.
#[cfg(target_os = "linux")]
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_million_entries_are_listed_in_constant_memory() {
    let stub = Stub::start(|seen, _| page(seen, MANY, None)).await;
    let client = client(&stub);
    let mut entries = client.transfer().ls(COLLECTION, "/").stream();
    let (mut count, mut sizes, mut after_first) = (0, 0, 0);
    while let Some(entry) = entries.try_next().await.unwrap() {
        count += 1;
        sizes += entry.size;
        if count == MANY / 10 {
            after_first = peak_memory();
        }
    }
    assert_eq!((count, sizes), (MANY, MANY * (MANY - 1) / 2), "each entry once");
    let at_end = peak_memory();
    assert!(
        at_end < after_first + after_first / 4,
        "{after_first} MiB after a tenth, {at_end} MiB at the end"
    );
    println!(
        "{count} entries, {} requests, {after_first} MiB after a tenth, {at_end} MiB",
        stub.seen().len()
    );
}

#[tokio::test]
async fn the_walk_and_the_pages_go_beyond_the_largest_page() {
    let total = LARGEST_PAGE + 5;
    let stub = Stub::start(move |seen, _| page(seen, total, None)).await;
    let client = client(&stub);
    let first = client.transfer().ls(COLLECTION, "/").send().await.unwrap();
    assert_eq!((first.entries.len() as u64, first.total), (LARGEST_PAGE, Some(total)));
    let next = first.next_offset.unwrap();
    let rest = client.transfer().ls(COLLECTION, "/").offset(next).send().await.unwrap();
    assert_eq!((rest.entries.len(), rest.next_offset), (5, None));

    let walk = client.transfer().ls_recursive(COLLECTION, "/").stream();
    assert_eq!(walk.fold(0_u64, |count, found| async move { count + u64::from(found.is_ok()) }).await, total);
    let some: Vec<_> =
        client.transfer().ls(COLLECTION, "/").offset(3).limit(60_000).stream().try_collect().await.unwrap();
    assert_eq!((some.len(), some[0].size, some[59_999].size), (60_000, 3, 60_002));
    assert!(client.transfer().ls(COLLECTION, "/").limit(0).stream().next().await.is_none());
}

#[tokio::test]
async fn an_odd_entry_is_left_out_and_shifts_no_page() {
    let stub = Stub::start(|seen, _| page(seen, 60_000, Some(7))).await;
    let client = client(&stub);
    let names: Vec<String> = client
        .transfer()
        .ls(COLLECTION, "/")
        .stream()
        .map_ok(|entry| entry.name)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(names.len(), 59_999);
    assert_eq!(names.last().unwrap(), "scan_0059999.h5");
    let distinct: std::collections::HashSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}

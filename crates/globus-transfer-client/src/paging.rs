//! Lists that come page by page, as streams that fetch a page when it is needed.

use std::future::Future;

use futures::StreamExt;
use futures::stream::{self, BoxStream, TryStreamExt};

use serde_json::Value;

use crate::error::Result;

/// A stream over all pages. `fetch` gets the page at a place and returns where the next one begins, if there
/// is one.
pub(crate) fn pages<'a, P, T, F, Fut>(first: P, fetch: F) -> BoxStream<'a, Result<T>>
where
    P: Send + 'a,
    T: Send + 'a,
    F: Fn(P) -> Fut + Send + 'a,
    Fut: Future<Output = Result<(Vec<T>, Option<P>)>> + Send + 'a,
{
    stream::try_unfold(Some(first), move |at| {
        let page = at.map(&fetch);
        async move {
            match page {
                Some(page) => {
                    let (items, next) = page.await?;
                    Ok(Some((stream::iter(items.into_iter().map(Ok)), next)))
                }
                None => Ok(None),
            }
        }
    })
    .try_flatten()
    .boxed()
}

/// Where the next page of a list with offsets begins; `None` when this one was the last. `count` is the
/// number of items that the service sent in this page.
pub(crate) fn next_offset(offset: u64, count: usize, is_more: bool) -> Option<u64> {
    // An empty page that promises more would be requested again and again.
    if !is_more || count == 0 {
        return None;
    }
    offset.checked_add(count as u64)
}

/// Where the next page of a list with markers begins. The service writes a marker as a number or a text.
pub(crate) fn next_marker(marker: Option<Value>) -> Option<String> {
    match marker {
        None | Some(Value::Null) => None,
        Some(Value::String(marker)) => Some(marker),
        Some(marker) => Some(marker.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};

    #[tokio::test]
    async fn all_pages_come_and_an_error_ends_them() {
        let numbers = pages(0_u64, |at| async move {
            let items: Vec<u64> = (at..at + 3).collect();
            Ok((items, next_offset(at, 3, at < 6)))
        });
        assert_eq!(numbers.try_collect::<Vec<_>>().await.unwrap(), (0..9).collect::<Vec<_>>());

        let broken = pages(0, |at| async move {
            if at == 0 { Ok((vec![1], Some(1))) } else { Err(Error::local(ErrorKind::Server, "x", "y")) }
        });
        let got: Vec<_> = broken.map(|item| item.map_err(|error| error.kind().clone())).collect().await;
        assert_eq!(got, [Ok(1), Err(ErrorKind::Server)]);
    }

    #[test]
    fn an_empty_page_is_the_last() {
        assert_eq!(next_offset(10, 0, true), None);
        assert_eq!(next_offset(10, 5, true), Some(15));
        assert_eq!(next_offset(10, 5, false), None);
        assert_eq!(next_offset(u64::MAX, 5, true), None);
    }
}

//! Reading a body within its bounds: length, time, and the memory that all bodies share.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer::Refusal;

/// Memory is counted in pieces of this size.
const PIECE: usize = 4_096;
/// A body that is too long is read on for so much, unkept: a caller that is still sending would not see the answer otherwise.
const DISCARDED_BYTES: usize = 8 << 20;

/// The memory that all bodies share.
#[derive(Clone, Debug)]
pub(crate) struct BodyMemory(Arc<Semaphore>);

/// A whole body, and its part of the memory for as long as it is kept.
#[derive(Debug)]
pub(crate) struct HeldBody {
    pub(crate) bytes: Bytes,
    _part: Option<OwnedSemaphorePermit>,
}

/// The bounds of one body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) most_bytes: usize,
    pub(crate) within: Duration,
}

impl BodyMemory {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.div_ceil(PIECE))))
    }

    /// Reads a whole body. What a caller announces takes no memory, only what has arrived.
    pub(crate) async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        bounds: Bounds,
    ) -> Result<HeldBody, Refusal> {
        let reading = self.read_untimed(announced(headers), body.into_data_stream(), bounds);
        tokio::time::timeout(bounds.within, reading)
            .await
            .unwrap_or(Err(Refusal::BodySlow))
    }

    async fn read_untimed(
        &self,
        announced: usize,
        mut stream: BodyDataStream,
        bounds: Bounds,
    ) -> Result<HeldBody, Refusal> {
        if announced > bounds.most_bytes {
            discard(stream, announced).await;
            return Err(Refusal::BodyTooLarge(bounds.most_bytes));
        }
        let mut bytes = Vec::new();
        let mut part: Option<OwnedSemaphorePermit> = None;
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|_| Refusal::BodyCut)?;
            let length = bytes.len() + piece.len();
            if length > bounds.most_bytes {
                discard(stream, length).await;
                return Err(Refusal::BodyTooLarge(bounds.most_bytes));
            }
            self.grow(&mut part, length)?;
            bytes.extend_from_slice(&piece);
        }
        Ok(HeldBody {
            bytes: bytes.into(),
            _part: part,
        })
    }

    fn grow(&self, part: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), Refusal> {
        let held = part.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = bytes.div_ceil(PIECE).saturating_sub(held);
        let missing = u32::try_from(missing).map_err(|_| Refusal::Overloaded)?;
        let more = Arc::clone(&self.0)
            .try_acquire_many_owned(missing)
            .map_err(|_| Refusal::Overloaded)?;
        match part {
            Some(part) => part.merge(more),
            None => *part = Some(more),
        }
        Ok(())
    }
}

/// What the head says about the length; 0 where it says nothing.
fn announced(headers: &HeaderMap) -> usize {
    headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// Reads on without keeping anything, unless it is hopeless.
async fn discard(mut stream: BodyDataStream, announced: usize) {
    let mut left = DISCARDED_BYTES;
    while announced <= DISCARDED_BYTES
        && let Some(Ok(piece)) = stream.next().await
    {
        match left.checked_sub(piece.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// Whether the body is JSON in UTF-8, as far as the head says.
pub(crate) fn check_kind(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Refusal::NotJson);
    };
    let text = value.to_str().map_err(|_| Refusal::NotJson)?;
    let mut parts = text.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .all(|(_, value)| {
            let value = value.trim().trim_matches('"');
            value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
        });
    if is_json && is_utf8 {
        Ok(())
    } else {
        Err(Refusal::NotJson)
    }
}

/// A body in a content coding would be signed in one form and read in another.
pub(crate) fn check_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if plain {
        Ok(())
    } else {
        Err(Refusal::ContentCoding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        most_bytes: 10_000,
        within: Duration::from_mins(1),
    };

    fn kind(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_TYPE, value.parse().unwrap());
        }
        check_kind(&headers).is_ok()
    }

    #[test]
    fn only_json_in_utf8_is_a_kind_of_body() {
        assert!(kind(&["application/json; charset=utf-8"]));
        assert!(kind(&["Application/JSON"]));
        assert!(kind(&["application/json;charset=\"UTF-8\""]));
        assert!(!kind(&[]));
        assert!(!kind(&["text/plain"]));
        assert!(!kind(&["application/json; charset=gbk"]));
        assert!(!kind(&["application/json", "application/json"]));
    }

    fn chunked(pieces: usize, length: usize) -> Body {
        let piece = Bytes::from(vec![b'x'; length]);
        let pieces = std::iter::repeat_n(piece, pieces).map(Ok::<_, std::io::Error>);
        Body::from_stream(futures::stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_is_counted_as_it_arrives_and_given_back_when_it_is_dropped() {
        let memory = BodyMemory::new(8_192);
        let headers = HeaderMap::new();
        let one = memory
            .read(&headers, chunked(5, 1_000), BOUNDS)
            .await
            .unwrap();
        assert_eq!(one.bytes.len(), 5_000);
        let refused = memory.read(&headers, chunked(1, 1), BOUNDS).await;
        assert!(matches!(refused, Err(Refusal::Overloaded)));
        drop(one);
        assert!(memory.read(&headers, chunked(1, 1), BOUNDS).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_refused_whether_announced_or_not() {
        let memory = BodyMemory::new(1 << 20);
        let mut headers = HeaderMap::new();
        let refused = memory.read(&headers, chunked(11, 1_000), BOUNDS).await;
        assert!(matches!(refused, Err(Refusal::BodyTooLarge(10_000))));
        headers.insert(header::CONTENT_LENGTH, "10001".parse().unwrap());
        let refused = memory.read(&headers, chunked(1, 1), BOUNDS).await;
        assert!(matches!(refused, Err(Refusal::BodyTooLarge(10_000))));
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let memory = BodyMemory::new(1 << 20);
        let body = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let bounds = Bounds {
            within: Duration::from_millis(10),
            ..BOUNDS
        };
        let refused = memory.read(&HeaderMap::new(), body, bounds).await;
        assert!(matches!(refused, Err(Refusal::BodySlow)));
    }
}

//! The body of what is sent, with limits in bytes and in seconds. Nothing else here reads one.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt as _;
use tokio::sync::Semaphore;

use crate::problem::Problem;

/// Bytes of all bodies that are held at once: of the largest kind, deliveries, some dozens.
const BODIES_BYTES: usize = 32 * 1024 * 1024;

/// How long a body may take, room for it included. A megabyte takes one second on the slowest line that anybody monitors over.
const BODY_SECONDS: u64 = 5;

/// Room for the bodies that are held at once.
pub(crate) fn room() -> Semaphore {
    Semaphore::new(BODIES_BYTES)
}

/// Reads a body of so many bytes at most, whose length is known, when there is room for it.
pub(crate) async fn read(headers: &HeaderMap, body: Body, most: usize, room: &Semaphore) -> Result<Vec<u8>, Problem> {
    read_within(headers, body, most, room, Duration::from_secs(BODY_SECONDS)).await
}

async fn read_within(
    headers: &HeaderMap,
    body: Body,
    most: usize,
    room: &Semaphore,
    patience: Duration,
) -> Result<Vec<u8>, Problem> {
    let length = length_of(headers, most)?;
    let whole = async {
        let permits = u32::try_from(length).unwrap_or(u32::MAX);
        let _room = room.acquire_many(permits).await.map_err(|_| Problem::nobody_there())?;
        let (mut bytes, mut pieces) = (Vec::with_capacity(length), body.into_data_stream());
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece.map_err(|_| broken_off())?);
        }
        if bytes.len() == length { Ok(bytes) } else { Err(broken_off()) }
    };
    tokio::time::timeout(patience, whole).await.map_err(|_| {
        let what = format!("the body was not there within {BODY_SECONDS} s");
        Problem::new(StatusCode::REQUEST_TIMEOUT, what)
    })?
}

/// How long it is, as its head says. HTTP sees to it that there is no more.
fn length_of(headers: &HeaderMap, most: usize) -> Result<usize, Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    match length {
        None => {
            let what = "the length of the body has to be said beforehand, in `Content-Length`";
            Err(Problem::new(StatusCode::LENGTH_REQUIRED, what))
        }
        Some(length) if length > most => {
            let what = format!("the body has {length} bytes; at most {most} are taken: send less at once");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, what))
        }
        Some(length) => Ok(length),
    }
}

fn broken_off() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "the body breaks off")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1_000;

    async fn read_of(length: &str, bytes: usize) -> Result<usize, Problem> {
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, length.parse().unwrap())]);
        read(&headers, Body::from(vec![b'x'; bytes]), MOST, &room()).await.map(|body| body.len())
    }

    #[tokio::test]
    async fn a_body_has_so_many_bytes_and_says_so_beforehand() {
        assert_eq!(read_of(&MOST.to_string(), MOST).await, Ok(MOST));
        let refused = read_of(&(MOST + 1).to_string(), MOST + 1).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let without = read(&HeaderMap::new(), Body::from("x"), MOST, &room()).await.unwrap_err();
        assert_eq!(without.status(), StatusCode::LENGTH_REQUIRED);
        assert_eq!(read_of("2", 1).await.unwrap_err().status(), StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_and_one_for_which_there_is_no_room_are_not_waited_for() {
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, "1".parse().unwrap())]);
        let never = || Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let brief = Duration::from_millis(1);
        let slow = read_within(&headers, never(), MOST, &Semaphore::new(1), brief).await.unwrap_err();
        assert_eq!(slow.status(), StatusCode::REQUEST_TIMEOUT);
        let full = read_within(&headers, Body::from("x"), MOST, &Semaphore::new(0), brief).await.unwrap_err();
        assert_eq!(full.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(
            read_within(&headers, Body::from("x"), MOST, &Semaphore::new(1), Duration::from_secs(30)).await,
            Ok(vec![b'x'])
        );
    }
}

//! A connection whose other end has to take what it asked for.
//!
//! Whoever opens a hundred connections, asks for much on each and reads none of it would hold the memory of a hundred
//! answers for as long as it likes. So a write that makes no headway for a while ends the connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream that fails when what is written does not get on.
pub(crate) struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, waiting: None }
    }

    /// `Ready` with an error when it has waited long enough.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the other end does not take what it asked for"))
    }

    fn outcome<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match outcome {
            Poll::Ready(outcome) => {
                self.waiting = None;
                Poll::Ready(outcome)
            }
            Poll::Pending => self.wait(context).map(Err),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.outcome(context, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.outcome(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.outcome(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.outcome(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    /// Far more than a read takes on a busy machine.
    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn who_reads_slowly_gets_everything() {
        let (near, mut far) = duplex(4);
        let mut near = Patient::new(near, LONG);
        let slow = tokio::spawn(async move {
            let mut all = Vec::new();
            while all.len() < 32 {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let mut byte = [0];
                far.read_exact(&mut byte).await.unwrap();
                all.extend(byte);
            }
            all
        });
        near.write_all(&[7; 32]).await.unwrap();
        assert_eq!(slow.await.unwrap(), [7; 32]);
    }

    #[tokio::test]
    async fn who_does_not_read_loses_the_connection() {
        let (near, _far) = duplex(4);
        let mut near = Patient::new(near, Duration::from_millis(1));
        let error = near.write_all(&[7; 5]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}

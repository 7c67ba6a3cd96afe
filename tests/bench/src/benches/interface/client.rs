//! A client of the interface that keeps its connection, and knows how long each answer took.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

use crate::error::{BenchError, require};

/// From how many addresses is asked.
const ADDRESSES: usize = 16;

/// A connection.
pub struct Client(BufReader<TcpStream>);

impl Client {
    /// Connects, from one of some addresses of this machine: each may ask so much a second.
    pub async fn connect(address: SocketAddr, number: usize) -> Result<Self, BenchError> {
        let last = u8::try_from(1 + number % ADDRESSES).unwrap_or(1);
        let socket = TcpSocket::new_v4().map_err(BenchError::failed("make a socket"))?;
        socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into()).map_err(BenchError::failed("take an address"))?;
        let stream = socket.connect(address).await.map_err(BenchError::failed("connect"))?;
        stream.set_nodelay(true).map_err(BenchError::failed("set the connection up"))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// How long it takes until this is answered with 200, as a whole.
    pub async fn get(&mut self, target: &str) -> Result<Duration, BenchError> {
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
    }

    /// The same of a delivery.
    pub async fn post(&mut self, target: &str, body: &str) -> Result<Duration, BenchError> {
        let length = body.len();
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        self.ask(&(head + body)).await
    }

    async fn ask(&mut self, request: &str) -> Result<Duration, BenchError> {
        let began = Instant::now();
        self.write(request).await?;
        let (status, length) = self.head().await?;
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.map_err(BenchError::failed("read an answer"))?;
        let took = began.elapsed();
        require(status.contains(" 200 "), || format!("{status}: {}", String::from_utf8_lossy(&body)))?;
        Ok(took)
    }

    /// Begins to listen to the stream of records.
    pub async fn listen(&mut self) -> Result<(), BenchError> {
        self.write("GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
        while self.line().await?.trim_end() != "retry: 2000" {}
        Ok(())
    }

    /// Waits for a line of the stream in which this stands.
    pub async fn hear(&mut self, text: &str) -> Result<Instant, BenchError> {
        while !self.line().await?.contains(text) {}
        Ok(Instant::now())
    }

    async fn write(&mut self, request: &str) -> Result<(), BenchError> {
        self.0.get_mut().write_all(request.as_bytes()).await.map_err(BenchError::failed("ask"))
    }

    /// The first line of an answer, and how long its body is.
    async fn head(&mut self) -> Result<(String, usize), BenchError> {
        let status = self.line().await?;
        let mut length = 0;
        loop {
            let line = self.line().await?.to_ascii_lowercase();
            if line.trim().is_empty() {
                return Ok((status, length));
            }
            if let Some(said) = line.strip_prefix("content-length:") {
                length = said.trim().parse().map_err(BenchError::failed("read the length of an answer"))?;
            }
        }
    }

    async fn line(&mut self) -> Result<String, BenchError> {
        let mut line = String::new();
        let bytes = self.0.read_line(&mut line).await.map_err(BenchError::failed("read a line"))?;
        require(bytes > 0, || "the connection was closed".to_owned())?;
        Ok(line)
    }
}

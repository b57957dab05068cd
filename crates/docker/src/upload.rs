//! Bodies of requests as something to read: archives that clients send, of whatever length.

use std::io::{self, Read};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

/// Pieces that have come and were not read yet.
const WAITING: usize = 16;
/// What is still taken, bytes, after the work has ended: clients write all of it before they listen.
const REST: usize = 64 << 20;

/// What a client sends, for a thread that may wait for it. An error: the client broke off.
pub struct Upload {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    now: Bytes,
}

impl Upload {
    /// Of a body. Called within a runtime.
    pub fn new(mut body: Body) -> Upload {
        let (sender, pieces) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let mut passed_over = 0;
            while let Some(frame) = body.frame().await {
                let piece = match frame {
                    Ok(frame) => match frame.into_data() {
                        Ok(bytes) => Ok(bytes),
                        Err(_) => continue,
                    },
                    Err(error) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, error.to_string())),
                };
                let (length, is_end) = (piece.as_ref().map_or(0, Bytes::len), piece.is_err());
                if sender.send(piece).await.is_err() {
                    passed_over += length;
                }
                if is_end || passed_over > REST {
                    return;
                }
            }
        });
        Upload { pieces, now: Bytes::new() }
    }
}

impl Read for Upload {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.now = piece?,
            }
        }
        let count = buffer.len().min(self.now.len());
        buffer[..count].copy_from_slice(&self.now.split_to(count));
        Ok(count)
    }
}

//! Commands out, replies in, over a byte stream of no runtime in particular.

use super::resp::{Decoder, Reply, encode};
use crate::cluster::Connection;
use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use std::io;

/// Bytes asked of the stream at once.
const CHUNK: usize = 8 * 1024;

/// A connection that speaks RESP2.
pub struct Redis {
    stream: Connection,
    out: Vec<u8>,
    decoder: Decoder,
    chunk: Box<[u8; CHUNK]>,
}

impl Redis {
    /// Over a fresh byte stream.
    pub fn new(stream: Connection) -> Redis {
        let chunk = Box::new([0; CHUNK]);
        Redis { stream, out: Vec::new(), decoder: Decoder::default(), chunk }
    }

    /// Adds a command to the next write.
    pub fn command(&mut self, words: &[&[u8]]) {
        encode(words, &mut self.out);
    }

    /// Sends the commands added, in one write where the stream takes it.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out).await?;
        self.stream.flush().await?;
        self.out.clear();
        Ok(())
    }

    /// The next reply. The end of the stream is `UnexpectedEof`, bytes that are no reply `InvalidData`.
    pub async fn reply(&mut self) -> io::Result<Reply> {
        loop {
            let decoded = self.decoder.reply();
            if let Some(reply) =
                decoded.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?
            {
                return Ok(reply);
            }
            let count = self.stream.read(&mut self.chunk[..]).await?;
            if count == 0 {
                let reason = "closed by the server before it answered";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
            }
            self.decoder.feed(&self.chunk[..count]);
        }
    }

    /// Whether nothing came that no command asked for.
    pub fn at_boundary(&self) -> bool {
        self.decoder.is_empty()
    }

    /// Sends one command and reads its reply.
    pub async fn ask(&mut self, words: &[&[u8]]) -> io::Result<Reply> {
        self.command(words);
        self.flush().await?;
        self.reply().await
    }
}

use super::*;
use futures_util::io::Cursor;

struct Client {
    channels: Channels,
    connection: Connection,
}

impl Client {
    fn new(channels: &Channels, id: u64) -> Client {
        Client { channels: channels.clone(), connection: Connection::new(id) }
    }

    fn ask(&mut self, line: &str) -> Option<String> {
        let args = line.split(' ').map(|word| Bytes::copy_from_slice(word.as_bytes())).collect();
        let command = Command::parse(args).expect("a command");
        let reply = answer(&self.channels, &mut self.connection, &command)?;
        let mut bytes = Vec::new();
        reply.write(&mut bytes);
        Some(words(&bytes))
    }

    fn heard(&self) -> String {
        words(&self.connection.subscriber.as_ref().expect("subscribed").pushed())
    }
}

/// The wire without what only counts.
fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let told = text.lines().filter(|line| !line.starts_with('*') && *line != "$0");
    told.filter(|line| !line.starts_with('$') || *line == "$-1").collect::<Vec<_>>().join(" ")
}

fn publish(channels: &Channels, channel: &str, message: &str) -> i64 {
    channels.publish(&Bytes::from(channel.to_owned()), &Bytes::from(message.to_owned()))
}

#[test]
fn a_message_goes_to_who_is_subscribed_and_to_no_one_else() {
    let channels = Channels::default();
    let (mut a, mut b) = (Client::new(&channels, 1), Client::new(&channels, 2));
    assert_eq!(publish(&channels, "c", "lost"), 0);
    assert_eq!(a.ask("SUBSCRIBE c d c").unwrap(), "subscribe c :1 subscribe d :2 subscribe c :2");
    assert_eq!(b.ask("subscribe d").unwrap(), "subscribe d :1");
    assert_eq!((publish(&channels, "c", "1"), publish(&channels, "d", "2")), (1, 2));
    assert_eq!(a.heard(), "message c 1 message d 2");
    assert_eq!(b.heard(), "message d 2");
    assert_eq!(b.heard(), "", "each once");
    drop(b);
    assert_eq!(publish(&channels, "d", "3"), 1, "who is gone is not subscribed");
}

#[test]
fn a_subscribed_connection_takes_no_other_commands_until_it_has_left() {
    let channels = Channels::default();
    let mut client = Client::new(&channels, 1);
    assert_eq!(client.ask("UNSUBSCRIBE").unwrap(), "unsubscribe $-1 :0");
    assert_eq!(client.ask("UNSUBSCRIBE c").unwrap(), "unsubscribe c :0");
    assert_eq!(client.ask("GET k"), None);
    client.ask("SUBSCRIBE c d");
    let refused = client.ask("get k").unwrap();
    assert!(refused.starts_with("-ERR Can't execute 'get': only (P)SUBSCRIBE"), "{refused}");
    assert!(client.ask("PUBLISH c x").unwrap().starts_with("-ERR Can't execute"));
    assert_eq!(client.ask("PING").unwrap(), "pong ");
    assert_eq!(client.ask("PING hello").unwrap(), "pong hello");
    assert_eq!(client.ask("QUIT"), None);
    assert_eq!(client.ask("UNSUBSCRIBE none d").unwrap(), "unsubscribe none :2 unsubscribe d :1");
    assert_eq!(client.ask("UNSUBSCRIBE").unwrap(), "unsubscribe c :0");
    assert_eq!(client.ask("GET k"), None);
    assert!(channels.0.borrow().is_empty());
}

#[test]
fn pubsub_tells_of_this_nodes_channels() {
    let channels = Channels::default();
    let (mut a, mut b) = (Client::new(&channels, 1), Client::new(&channels, 2));
    a.ask("SUBSCRIBE moth fly");
    b.ask("SUBSCRIBE moth");
    let mut asks = Client::new(&channels, 3);
    assert_eq!(asks.ask("PUBSUB CHANNELS").unwrap(), "fly moth");
    assert_eq!(asks.ask("pubsub channels m*").unwrap(), "moth");
    assert_eq!(asks.ask("PUBSUB NUMSUB moth ant").unwrap(), "moth :2 ant :0");
    assert_eq!(asks.ask("PUBSUB NUMPAT").unwrap(), ":0");
    assert_eq!(asks.ask("PUBSUB MOTH").unwrap(), "-ERR unsupported PUBSUB subcommand 'MOTH'");
}

#[test]
fn messages_are_written_while_no_input_comes() {
    let channels = Channels::default();
    let mut client = Client::new(&channels, 1);
    client.ask("SUBSCRIBE c");
    publish(&channels, "c", "1");
    let mut wire = Wire::default();
    let mut chunk = [0; 8];
    {
        let mut reading = pin!(read(&client.connection, &mut wire, &mut chunk));
        assert!(reading.as_mut().now_or_never().is_none());
        publish(&channels, "c", "2");
        assert!(reading.as_mut().now_or_never().is_none());
    }
    assert_eq!(words(wire.written.get_ref()), "message c 1 message c 2");
}

#[test]
fn who_takes_too_little_is_disconnected_and_holds_nobody_up() {
    let channels = Channels::default();
    let (mut slow, mut quick) = (Client::new(&channels, 1), Client::new(&channels, 2));
    slow.ask("SUBSCRIBE c");
    quick.ask("SUBSCRIBE c");
    let message = "x".repeat(QUEUE_MAX / 4);
    for subscribed in [2, 2, 2, 1] {
        assert_eq!(publish(&channels, "c", &message), subscribed);
        quick.connection.subscriber.as_ref().unwrap().pushed();
    }
    let mut wire = Wire::default();
    let read = read(&slow.connection, &mut wire, &mut [0; 8]).now_or_never();
    assert!(matches!(read, Some(Err(_))), "{read:?}");
    let mut stuck = Wire { is_stuck: true, ..Wire::default() };
    let written = write(&slow.connection, &mut stuck, b"reply").now_or_never();
    assert!(matches!(written, Some(Err(_))), "{written:?}");
}

/// A stream on which nothing comes in.
#[derive(Default)]
struct Wire {
    written: Cursor<Vec<u8>>,
    is_stuck: bool,
}

impl AsyncRead for Wire {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.is_stuck {
            true => Poll::Pending,
            false => pin!(&mut self.written).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

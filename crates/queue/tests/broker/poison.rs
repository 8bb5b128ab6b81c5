//! A message that breaks whoever reads it, before it can be put aside: a property that is no text, which ends the connection.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use servers::Servers;

use crate::process::{Process, keys, lane, next, stranger};

/// Each time that the connection is lost, the pause before the next is up to a second.
const PATIENCE: Duration = Duration::from_mins(4);

/// Stands for the byte that no client of ours can be made to send, and that byte.
const STAND_IN: u8 = 0x7f;
const NO_TEXT: u8 = 0xff;

pub(crate) async fn what_breaks_every_connection_stops_nothing_for_ever(servers: &Servers) {
    let url = servers.create_vhost("poisoned").await.unwrap();
    let process = Process::start(&url).await;
    let queue = lane("mobile");
    process.publisher.publish(&queue, keys(1)).await.unwrap();
    let mut deliveries = process.take(&queue, 1).await;
    next(&mut deliveries).await.ack();
    drop(deliveries);

    let (spoiled_url, spoil) = spoiling_way_to(&url);
    let (connection, channel) = stranger(&spoiled_url).await;
    spoil.store(true, Ordering::Release);
    let stand_in = char::from(STAND_IN).to_string();
    let properties = BasicProperties::default().with_message_id(stand_in.into());
    let options = BasicPublishOptions::default();
    let sending = channel.basic_publish("".into(), queue.as_str().into(), options, b"", properties);
    sending.await.unwrap();
    process.waits(&queue, 1).await;
    drop(connection);

    process.publisher.publish(&queue, keys(2)).await.unwrap();
    let mut deliveries = process.take(&queue, 1).await;
    for _ in 0..2 {
        let delivery = tokio::time::timeout(PATIENCE, deliveries.recv()).await;
        delivery.expect("the poison is gone by now").unwrap().ack();
    }
    process.waits(&queue, 0).await;
    process.end().await;
}

/// A way to the broker on which, once told so, each stand-in becomes what it stands for. Serves one connection.
fn spoiling_way_to(url: &str) -> (String, Arc<AtomicBool>) {
    let (before, rest) = url.split_once('@').unwrap();
    let (broker, vhost) = rest.split_once('/').unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let spoiled_url = format!("{before}@{}/{vhost}", listener.local_addr().unwrap());
    let spoil = Arc::new(AtomicBool::new(false));
    let (broker, spoils) = (broker.to_owned(), Arc::clone(&spoil));
    std::thread::spawn(move || {
        let client = listener.accept().unwrap().0;
        let broker = TcpStream::connect(broker).unwrap();
        let (from_broker, to_client) = (broker.try_clone().unwrap(), client.try_clone().unwrap());
        let back = std::thread::spawn(move || pass_on(from_broker, to_client, |_| {}));
        pass_on(client, broker, |bytes| {
            if spoils.load(Ordering::Acquire) {
                let stand_ins = bytes.iter_mut().filter(|byte| **byte == STAND_IN);
                stand_ins.for_each(|byte| *byte = NO_TEXT);
            }
        });
        back.join().unwrap();
    });
    (spoiled_url, spoil)
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, change: impl Fn(&mut [u8])) {
    let mut buffer = [0; 4_096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        change(&mut buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // The other half is at its end too, or will find out.
    let _ = to.shutdown(Shutdown::Both);
}

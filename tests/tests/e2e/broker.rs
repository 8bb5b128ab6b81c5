//! A way to the broker beside the platform's, for what the platform would not say.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};

use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, PublisherConfirm};

/// A connection with one channel, on which what is put is confirmed.
pub(crate) struct Broker {
    connection: Connection,
    pub(crate) channel: Channel,
}

impl Broker {
    pub(crate) async fn at(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default());
        let connection = connection.await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let confirms = channel.confirm_select(ConfirmSelectOptions::default());
        confirms.await.unwrap();
        Self {
            connection,
            channel,
        }
    }

    /// Puts a message into a queue; the confirm is for whoever asked to wait for.
    pub(crate) async fn put(
        &self,
        queue: &str,
        properties: BasicProperties,
        body: &[u8],
    ) -> PublisherConfirm {
        let options = BasicPublishOptions::default();
        let sending =
            self.channel
                .basic_publish("".into(), queue.into(), options, body, properties);
        sending.await.unwrap()
    }

    pub(crate) async fn leave(self) {
        self.connection.close(200, "done".into()).await.unwrap();
    }
}

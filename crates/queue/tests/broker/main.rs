//! Against a real broker: what publisher and consumer promise each other, and what they do when it is killed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test stops at the first surprise"
)]

mod killed;
mod parked;
mod poison;
mod process;
mod promises;

use process::{broker, folder};

#[tokio::test(flavor = "multi_thread")]
async fn publisher_and_consumer_keep_their_promises() {
    let folder = folder();
    let servers = broker(folder.path()).await;
    let promises = async {
        promises::confirmed_messages_arrive_with_their_trace_and_are_gone_once_acknowledged(
            &servers,
        )
        .await;
        promises::what_is_dropped_or_handed_back_comes_again(&servers).await;
        promises::no_more_is_handed_out_than_the_prefetch(&servers).await;
        parked::what_cannot_be_read_is_put_aside_and_stops_nothing(&servers).await;
        promises::many_processes_may_declare_the_same_queues_at_once(&servers).await;
        promises::a_queue_of_other_properties_and_a_lost_queue_are_errors_of_their_own(&servers)
            .await;
        promises::a_stop_waits_for_what_was_handed_out_and_not_for_ever(&servers).await;
        parked::what_was_put_aside_is_looked_at_and_sent_back_or_dropped(&servers).await;
    };
    // Waits for most of its time, so it does that beside the others.
    let poison = poison::what_breaks_every_connection_stops_nothing_for_ever(&servers);
    tokio::join!(promises, poison);
    servers.stop().await;
}

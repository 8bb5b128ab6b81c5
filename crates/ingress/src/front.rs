//! What all requests share.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use domain::UnixMs;
use domain::catalogue::Business;
use queue::PublisherHandle;
use store::intake::{BatchClaim, Intake, Nonce, NonceUse, SignedRequest};
use store::{Store, StoreError};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::announce::Announcer;
use crate::answer::Refusal;
use crate::body::BodyMemory;
use crate::intake::IntakeHandle;
use crate::known::Known;
use crate::nonces::NonceHandle;
use crate::places::{Place, Places};
use crate::pushes::PushHandle;
use crate::rate::{RateLimits, Share};
use crate::settings::Settings;

/// The door's furniture.
pub(crate) struct Front {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) publisher: PublisherHandle,
    pub(crate) intake: IntakeHandle,
    nonces: NonceHandle,
    pub(crate) pushes: PushHandle,
    pub(crate) announcer: Announcer,
    pub(crate) admission: Admission,
    pub(crate) body_memory: BodyMemory,
    /// Requests run here and not in their connection, so that a caller who hangs up does not stop a batch halfway.
    pub(crate) requests: TaskTracker,
    known: watch::Receiver<Arc<Known>>,
    places: Places,
    requests_sent: RateLimits,
}

/// What works behind the door, as requests meet it.
pub(crate) struct BackRooms {
    pub(crate) intake: IntakeHandle,
    pub(crate) nonces: NonceHandle,
    pub(crate) pushes: PushHandle,
    pub(crate) announcer: Announcer,
    pub(crate) admission: Admission,
}

impl Front {
    pub(crate) fn new(
        settings: Settings,
        store: Store,
        publisher: PublisherHandle,
        known: watch::Receiver<Arc<Known>>,
        rooms: BackRooms,
    ) -> Self {
        Self {
            body_memory: BodyMemory::new(settings.max_body_memory_bytes),
            places: Places::new(settings.max_in_flight),
            requests_sent: RateLimits::default(),
            requests: TaskTracker::new(),
            settings,
            store,
            publisher,
            intake: rooms.intake,
            nonces: rooms.nonces,
            pushes: rooms.pushes,
            announcer: rooms.announcer,
            admission: rooms.admission,
            known,
        }
    }

    /// The present snapshot.
    pub(crate) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.borrow())
    }

    /// Now, by this machine's clock: only timestamps of requests and validity of keys are held against it.
    pub(crate) fn now() -> UnixMs {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        UnixMs(0).after(since.unwrap_or_default())
    }

    /// A place among the requests in flight.
    pub(crate) fn place(&self, caller: &str) -> Result<Place, Refusal> {
        self.places.take(caller).ok_or(Refusal::Overloaded)
    }

    /// Counts one more request of the account, if it may send one now; `Err`: it may after so long.
    pub(crate) fn take_request(&self, business: &Business) -> Result<(), Duration> {
        let one = Share::of(1, business.rate_limit);
        self.requests_sent.take(&business.id, one, Instant::now())
    }

    /// Uses up the nonce of a request that stores nothing; a nonce that had been used is the answer.
    pub(crate) async fn spend_nonce(&self, request: &SignedRequest) -> Result<(), Refusal> {
        match self.use_nonce(request, None).await? {
            (Nonce::Used, _) => Ok(()),
            (Nonce::Repeated, _) => Err(Refusal::NonceRepeated),
        }
    }

    /// Uses up a nonce, and looks for the batch that is refused now and may have been stored before.
    pub(crate) async fn use_nonce(
        &self,
        request: &SignedRequest,
        replay_of: Option<BatchClaim>,
    ) -> Result<(Nonce, Option<Intake>), StoreError> {
        let request = request.clone();
        self.nonces.use_up(NonceUse { request, replay_of }).await
    }
}

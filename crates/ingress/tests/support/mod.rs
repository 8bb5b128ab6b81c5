//! A door on a free port, and what is sent to it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use domain::catalogue::{Business, BusinessKey, KeyKind, Supplier};
use domain::{BusinessId, Catalogue, MerchantId, SupplierId, UnixMs};
use ingress::{Ingress, Settings};
use openapi::SigningKey;
use queue::Publisher;
use store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A path that only reads.
pub(crate) const BALANCE: &str = "/v1/openapi/merchant/business/balance";
/// A push of the shape `form_md5`, not signed with the supplier's key.
pub(crate) const FORGED_PUSH: &str = "userid=1&order_number=2&out_trade_num=3&otime=4&state=1&mobile=5&sign=00000000000000000000000000000000";

const SECRET: &str = "7c1d0e4b92f5484cbd83c1d20b6a55e9";
/// No server listens on the port of a reserved service.
const NO_DATABASE: &str = "postgres://nobody@127.0.0.1:1/none";
const NO_BROKER: &str = "amqp://127.0.0.1:1/%2f";

pub(crate) struct Door {
    address: SocketAddr,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
    _catalogue: watch::Sender<Arc<Catalogue>>,
}

impl Door {
    pub(crate) async fn open() -> Self {
        let settings = Settings {
            max_body_bytes: 200_000,
            head_timeout_ms: 500,
            body_timeout_ms: 500,
            ..Settings::default()
        };
        let store = Store::new(&store::Settings::for_url(NO_DATABASE)).unwrap();
        Self::start(settings, store, catalogue()).await
    }

    pub(crate) async fn start(settings: Settings, store: Store, catalogue: Catalogue) -> Self {
        let broker = queue::Settings::new(NO_BROKER, "ingress").unwrap();
        let (publisher, _task) = Publisher::new(broker);
        let (catalogue, receiver) = watch::channel(Arc::new(catalogue));
        let ingress = Ingress::new(settings, store, receiver, publisher).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        Self {
            address,
            running: tokio::spawn(ingress.run(listener, shutdown.clone())),
            shutdown,
            _catalogue: catalogue,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn send(&self, sent: Sent) -> Received {
        let mut stream = self.connect().await;
        // The door may answer and hang up before everything is sent.
        let _ = stream.write_all(&sent.bytes()).await;
        let mut bytes = Vec::new();
        let reading = stream.read_to_end(&mut bytes);
        tokio::time::timeout(Duration::from_secs(30), reading)
            .await
            .unwrap()
            .unwrap();
        Received::read(&String::from_utf8(bytes).unwrap())
    }

    /// Ends well within its grace.
    pub(crate) async fn close(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(30), self.running)
            .await
            .unwrap()
            .unwrap();
        assert!(TcpStream::connect(self.address).await.is_err());
    }
}

fn catalogue() -> Catalogue {
    let business = |id: &str, enabled, md5_allowed| Business {
        id: BusinessId::new(id),
        merchant: MerchantId::new("m"),
        enabled,
        rsa_allowed: true,
        md5_allowed,
        keys: vec![BusinessKey {
            kind: KeyKind::Md5,
            text: SECRET.into(),
            not_before: None,
            not_after: None,
        }],
        callback_url: None,
        callback_sign: KeyKind::Md5,
        callback_keys: vec!["default".into()],
        batch_report: false,
        ip_allow: vec![],
        rate_limit: 0,
        order_limit: 0,
        max_in_flight: 0,
    };
    let businesses = [
        business("good", true, true),
        business("disabled", false, true),
        business("rsa-only", true, false),
    ];
    let supplier = Supplier {
        id: SupplierId::new("form"),
        adapter: "form_md5".into(),
        base_url: "http://127.0.0.1:1".into(),
        push_base_url: None,
        enabled: true,
        card: serde_json::from_str(r#"{"resubmit":"query"}"#).unwrap(),
        credentials: HashMap::from([
            ("userid".into(), "1".into()),
            ("apikey".into(), SECRET.into()),
        ]),
    };
    Catalogue {
        businesses: businesses.map(|b| (b.id.clone(), b)).into(),
        suppliers: [(supplier.id.clone(), supplier)].into(),
        ..Catalogue::default()
    }
}

/// One request, changed as a test needs it.
#[derive(Clone)]
pub(crate) struct Sent {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
    chunked: bool,
}

impl Sent {
    /// Signed by the account `good`, now.
    pub(crate) fn signed(path: &str, body: &str) -> Self {
        Self::signed_as("good", path, body)
    }

    pub(crate) fn signed_as(business: &str, path: &str, body: &str) -> Self {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let key = SigningKey::md5(SECRET).unwrap();
        let business = BusinessId::new(business);
        let signed = key
            .sign(&business, UnixMs(0).after(since), body.as_bytes())
            .unwrap();
        let pairs = signed.pairs().into_iter();
        let sent = Self {
            method: "POST",
            path: path.into(),
            headers: pairs
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            body: body.into(),
            chunked: false,
        };
        sent.and("content-type", "application/json; charset=utf-8")
    }

    pub(crate) fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    pub(crate) fn body(self, body: &str) -> Self {
        Self {
            body: body.into(),
            ..self
        }
    }

    pub(crate) fn chunked(self) -> Self {
        Self {
            chunked: true,
            ..self
        }
    }

    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self
    }

    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let first = format!("{} {} HTTP/1.1", self.method, self.path);
        let mut lines = vec![first, "Host: door".into(), "Connection: close".into()];
        lines.extend(
            self.headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        let length = self.body.len();
        let body = if self.chunked {
            lines.push("Transfer-Encoding: chunked".into());
            format!("{length:x}\r\n{}\r\n0\r\n\r\n", self.body)
        } else {
            lines.push(format!("Content-Length: {length}"));
            self.body.clone()
        };
        format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes()
    }
}

/// One answer.
pub(crate) struct Received {
    pub(crate) http: u16,
    headers: HashMap<String, String>,
    pub(crate) body: String,
    pub(crate) json: serde_json::Value,
}

impl Received {
    fn read(text: &str) -> Self {
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer but {text:?}"));
        let mut lines = head.lines();
        let http = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        };
        Self {
            http: http.parse().unwrap(),
            headers: lines.map(header).collect(),
            body: body.to_owned(),
            json: serde_json::from_str(body).unwrap_or_default(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn message(&self) -> &str {
        self.json["message"].as_str().unwrap()
    }

    /// Holds the answer to HTTP status, contract status and `accepted`.
    #[track_caller]
    pub(crate) fn says(&self, http: u16, status: i32, accepted: Option<&str>) {
        let said = (
            self.http,
            self.json["status"].as_i64(),
            self.json["accepted"].as_str(),
        );
        assert_eq!(said, (http, Some(status.into()), accepted), "{}", self.body);
        assert_eq!(
            self.header("content-type"),
            Some("application/json; charset=utf-8")
        );
    }
}

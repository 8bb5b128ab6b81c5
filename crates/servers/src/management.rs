//! RabbitMQ's management interface: virtual hosts, and the policies that our queues live under.

use std::error::Error;
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;

use crate::{Result, ServersError};

/// What a broker of ours must be told; the same file is for the brokers of the fleet.
const DEFINITIONS: &str = include_str!("../../../deploy/rabbitmq/definitions.json");
/// A node takes its time over definitions while the machine is busy.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Shorter than the node keeps an idle connection (a minute): a request that goes out while it closes one is lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Management {
    client: Client,
    base: String,
    password: String,
}

/// What is read of `/api/overview`. A broker that has not seen a message tells nothing of messages.
#[derive(Deserialize)]
struct Overview {
    #[serde(default)]
    message_stats: MessageStats,
}

#[derive(Default, Deserialize)]
struct MessageStats {
    #[serde(default)]
    publish: u64,
}

#[derive(Deserialize)]
struct Definitions {
    policies: Vec<Policy>,
}

#[derive(Deserialize)]
struct Policy {
    name: String,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

impl Management {
    pub(crate) fn new(port: u16, password: &str) -> Result<Self> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(failed)?;
        Ok(Self {
            client,
            base: format!("http://127.0.0.1:{port}/api"),
            password: password.to_owned(),
        })
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}/{path}", self.base))
            .basic_auth("refill", Some(&self.password))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<StatusCode> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        Ok(request.send().await.map_err(failed)?.status())
    }

    async fn change(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<()> {
        let status = self.send(method, path, body).await?;
        if status.is_success() {
            return Ok(());
        }
        Err(ServersError::Program {
            program: "RabbitMQ's management".into(),
            why: format!("{path}: {status}"),
        })
    }

    pub(crate) async fn answers(&self) -> bool {
        self.send(Method::GET, "health/checks/local-alarms", None)
            .await
            .is_ok_and(|status| status.is_success())
    }

    /// Messages that were published in all, as of the last sample.
    pub(crate) async fn published(&self) -> Result<u64> {
        let answer = self.request(Method::GET, "overview").send().await;
        let text = answer.map_err(failed)?.text().await.map_err(failed)?;
        let overview: Overview =
            serde_json::from_str(&text).map_err(|error| ServersError::Program {
                program: "RabbitMQ's management".into(),
                why: error.to_string(),
            })?;
        Ok(overview.message_stats.publish)
    }

    pub(crate) async fn create_vhost(&self, name: &str) -> Result<()> {
        self.change(Method::PUT, &format!("vhosts/{name}"), None)
            .await?;
        let all = serde_json::json!({"configure": ".*", "write": ".*", "read": ".*"});
        self.change(
            Method::PUT,
            &format!("permissions/{name}/refill"),
            Some(&all),
        )
        .await
    }

    pub(crate) async fn delete_vhost(&self, name: &str) -> Result<()> {
        self.change(Method::DELETE, &format!("vhosts/{name}"), None)
            .await
    }

    /// The first hundred messages of a queue, which stay there.
    pub(crate) async fn messages(&self, vhost: &str, queue: &str) -> Result<String> {
        let all =
            serde_json::json!({"count": 100, "ackmode": "ack_requeue_true", "encoding": "auto"});
        let request = self
            .request(Method::POST, &format!("queues/{vhost}/{queue}/get"))
            .header("content-type", "application/json")
            .body(all.to_string());
        let answer = request.send().await.map_err(failed)?;
        answer.text().await.map_err(failed)
    }

    pub(crate) async fn publish(&self, vhost: &str, queue: &str, text: &str) -> Result<()> {
        let message = serde_json::json!({
            "properties": {}, "routing_key": queue, "payload": text, "payload_encoding": "string",
        });
        let path = format!("exchanges/{vhost}/amq.default/publish");
        self.change(Method::POST, &path, Some(&message)).await
    }

    /// Takes in what a file of definitions says: users, rights, policies.
    pub(crate) async fn import(&self, definitions: &str) -> Result<()> {
        let body = serde_json::from_str(definitions).map_err(|error| ServersError::Program {
            program: "definitions".into(),
            why: error.to_string(),
        })?;
        self.change(Method::POST, "definitions", Some(&body)).await
    }

    pub(crate) async fn set_policies(&self, vhost: &str) -> Result<()> {
        let definitions: Definitions =
            serde_json::from_str(DEFINITIONS).map_err(|error| ServersError::Program {
                program: "definitions.json".into(),
                why: error.to_string(),
            })?;
        let vhost = if vhost == "/" { "%2f" } else { vhost };
        for mut policy in definitions.policies {
            policy.rest.remove("vhost");
            let body = serde_json::Value::Object(policy.rest);
            self.change(
                Method::PUT,
                &format!("policies/{vhost}/{}", policy.name),
                Some(&body),
            )
            .await?;
        }
        Ok(())
    }
}

/// With its causes: what it says itself is only that the request failed.
fn failed(error: reqwest::Error) -> ServersError {
    let error = error.without_url();
    let causes = std::iter::successors(Some(&error as &dyn Error), |&error| error.source());
    let told: Vec<String> = causes.map(ToString::to_string).collect();
    ServersError::Program {
        program: "RabbitMQ's management".into(),
        why: told.join(": "),
    }
}

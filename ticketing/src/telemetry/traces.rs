//! Traces, exported to a collector as OTLP (protobuf over HTTP).

use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;

/// What a collector is asked for by one request, and how long it may take.
const EXPORT_WITHIN: Duration = Duration::from_secs(10);
/// How long the last spans may take to leave at the end.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

/// Collects spans and exports them, in batches.
///
/// # Errors
/// When the address cannot be read.
pub(super) fn provider(endpoint: &str, role: &'static str) -> anyhow::Result<SdkTracerProvider> {
    url::Url::parse(endpoint)
        .with_context(|| format!("OTEL_EXPORTER_OTLP_ENDPOINT, --otlp-endpoint {endpoint}"))?;
    let client = reqwest::Client::builder().timeout(EXPORT_WITHIN).build()?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client { client, runtime: Handle::current() })
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(EXPORT_WITHIN)
        .build()?;
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over the name.
    let named = std::env::var_os("OTEL_SERVICE_NAME").is_some();
    let resource = Resource::builder().with_attributes([
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("ticketing.role", role),
    ]);
    let resource = if named { resource } else { resource.with_service_name("ticketing") };
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build())
}

/// Sends what is left. It blocks for that, so not on a thread of the runtime.
pub(super) async fn flush(provider: SdkTracerProvider) {
    let ended = move || provider.shutdown_with_timeout(FLUSH_WITHIN);
    match tokio::task::spawn_blocking(ended).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("the last traces are lost: {error}"),
        Err(error) => tracing::warn!("the last traces are lost: {error}"),
    }
}

/// The exporter has a thread of its own; its requests are made in the program's runtime.
#[derive(Debug)]
struct Client {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = async move {
            let answer = client.execute(request.try_into()?).await?;
            let status = answer.status();
            let mut response = Response::new(answer.bytes().await?);
            *response.status_mut() = status;
            Ok(response)
        };
        self.runtime.spawn(sent).await?
    }
}

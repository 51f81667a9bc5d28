//! A person with a browser's cookies.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) struct Shopper {
    /// Where commands go, and where queries do: the same for `ticketing up`.
    commands: String,
    queries: String,
    client: Client,
}

impl Shopper {
    pub(crate) async fn sign_up(commands: &str, queries: &str) -> Self {
        let email = format!("{}@example.com", Uuid::new_v4().simple());
        Self::sign_up_as(commands, queries, &email, "correct horse").await
    }

    pub(crate) async fn sign_up_as(
        commands: &str,
        queries: &str,
        email: &str,
        password: &str,
    ) -> Self {
        let _chosen_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().cookie_store(true).build().unwrap();
        let shopper = Self { commands: commands.to_owned(), queries: queries.to_owned(), client };
        let body = json!({"email": email, "password": password});
        let (status, body) = shopper.post("/api/users/signup", body).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        shopper
    }

    /// The same person, with the same cookies, after the shop has moved.
    pub(crate) fn at(self, url: &str) -> Self {
        Self { commands: url.to_owned(), queries: url.to_owned(), ..self }
    }

    /// The same person, whose commands go elsewhere.
    pub(crate) fn commanding(self, url: &str) -> Self {
        Self { commands: url.to_owned(), ..self }
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.commands);
        answer(self.client.put(url).json(&body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.commands);
        answer(self.client.post(url).json(&body)).await
    }

    /// As a client does that is traced itself.
    pub(crate) async fn post_in(
        &self,
        traceparent: &str,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.commands);
        answer(self.client.post(url).header("traceparent", traceparent).json(&body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.client.get(format!("{}{path}", self.queries))).await
    }

    pub(crate) async fn list_ticket(&self) -> String {
        let body = json!({"title": "Concert", "price": 19.99});
        let (status, body) = self.post("/api/tickets", body).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn order(&self, ticket: &str) -> (StatusCode, Value) {
        self.post("/api/orders", json!({"ticketId": ticket})).await
    }

    pub(crate) async fn pay(&self, order: &str) -> (StatusCode, Value) {
        self.post("/api/payments", json!({"orderId": order, "token": "tok_visa"})).await
    }

    /// Reserves and pays, and looks whether the shop says so. Gives the order's id.
    pub(crate) async fn buy(&self, ticket: &str) -> String {
        let (status, order) = self.order(ticket).await;
        assert_eq!(status, StatusCode::CREATED, "{order}");
        let id = order["id"].as_str().unwrap().to_owned();
        let (status, body) = self.pay(&id).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        id
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let bytes = response.bytes().await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    (status, body)
}

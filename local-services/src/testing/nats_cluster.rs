use std::net::TcpListener;

use crate::testing::TestNats;

const SERVERS: usize = 3;

/// Three NATS servers that know of each other, for tests in which some of them go away.
#[derive(Debug)]
pub struct TestNatsCluster {
    servers: Vec<TestNats>,
}

impl TestNatsCluster {
    /// They choose their leader while clients come already.
    ///
    /// # Panics
    /// If one does not start.
    pub async fn start() -> Self {
        let ports = free_ports();
        let routes: Vec<String> =
            ports.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        let mut servers = Vec::new();
        for (number, port) in ports.iter().enumerate() {
            let configuration = format!(
                "server_name: {}\ncluster {{\n  name: test\n  listen: \"127.0.0.1:{port}\"\n  \
                 routes: [{}]\n}}\n",
                name(number),
                routes.join(", ")
            );
            servers.push(TestNats::start_with(&configuration).await);
        }
        Self { servers }
    }

    /// Of all its servers, separated by commas.
    #[must_use]
    pub fn url(&self) -> String {
        self.servers.iter().map(TestNats::url).collect::<Vec<_>>().join(",")
    }

    /// The server of that name, as NATS tells who leads a stream.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn server(&mut self, wanted: &str) -> &mut TestNats {
        let number = (0..SERVERS).find(|number| name(*number) == wanted);
        let number = number.unwrap_or_else(|| panic!("no server {wanted}"));
        &mut self.servers[number]
    }
}

fn name(number: usize) -> String {
    format!("server-{number}")
}

/// All at once, so that no two are the same.
fn free_ports() -> Vec<u16> {
    let listeners: Vec<TcpListener> =
        (0..SERVERS).filter_map(|_| TcpListener::bind(("127.0.0.1", 0)).ok()).collect();
    let ports = listeners.iter().filter_map(|listener| listener.local_addr().ok());
    let ports: Vec<u16> = ports.map(|address| address.port()).collect();
    assert_eq!(ports.len(), SERVERS, "no free ports");
    ports
}

//! Where hosts are and how to get there: the words that every command about hosts shares.

use harness::cluster::NodeId;
use real_cluster::doctor::{self, Place};
use real_cluster::nodes::{self, NodeLine};
use real_cluster::remote::openssh::{Access, OpenSsh, Secret};
use real_cluster::remote::quoted;
use real_cluster::site::{BASE, Site, Sites};
use real_cluster::ssh::cluster::THIS_PROGRAM;
use real_cluster::testbed::Testbed;
use std::fs;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

/// In place of `--sudo-password-file`.
const SUDO_PASSWORD: &str = "REAL_CLUSTER_SUDO_PASSWORD";

/// How to get to hosts.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Hosts {
    /// On the hosts of a testbed: `testbed up` makes one
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "default", help_heading = "Hosts")]
    pub testbed: Option<String>,
    /// A private key, for all hosts whose line in the nodes file has none
    #[arg(long, value_name = "FILE", help_heading = "Hosts")]
    ssh_key: Option<PathBuf>,
    /// In place of ~/.ssh/config
    #[arg(long, value_name = "FILE", help_heading = "Hosts")]
    ssh_config: Option<PathBuf>,
    /// In place of ~/.ssh/known_hosts
    #[arg(long, value_name = "FILE", help_heading = "Hosts")]
    known_hosts: Option<PathBuf>,
    /// A host on the way; once for each, in order
    #[arg(long, value_name = "HOST", help_heading = "Hosts")]
    jump: Vec<String>,
    /// A file with the password that sudo asks for there; REAL_CLUSTER_SUDO_PASSWORD has the same use
    #[arg(long, value_name = "FILE", help_heading = "Hosts")]
    sudo_password_file: Option<PathBuf>,
    /// A build of this program for the hosts' architecture, where that is another one
    #[arg(long, value_name = "FILE", help_heading = "Hosts")]
    agent: Option<PathBuf>,
    /// The folder on hosts below which everything is
    #[arg(long, value_name = "DIR", default_value = BASE, help_heading = "Hosts")]
    remote_dir: String,
}

impl Hosts {
    /// Whether hosts are meant at all.
    pub fn are_meant(&self, nodes: Option<&str>) -> bool {
        self.testbed.is_some() || nodes.is_some()
    }

    /// The words that mean these hosts again.
    pub fn words(&self, nodes: Option<&str>) -> String {
        let mut words = Vec::new();
        match (&self.testbed, nodes) {
            (Some(name), _) if name == "default" => words.push("--testbed".to_owned()),
            (Some(name), _) => words.push(format!("--testbed {}", quoted(name))),
            (None, nodes) => words.push(format!("--nodes {}", quoted(nodes.unwrap_or("FILE")))),
        }
        for (word, file) in [
            ("--ssh-key", &self.ssh_key),
            ("--ssh-config", &self.ssh_config),
            ("--known-hosts", &self.known_hosts),
            ("--sudo-password-file", &self.sudo_password_file),
            ("--agent", &self.agent),
        ] {
            let file = file.iter().map(|file| quoted(&file.display().to_string()));
            words.extend(file.map(|file| format!("{word} {file}")));
        }
        words.extend(self.jump.iter().map(|host| format!("--jump {}", quoted(host))));
        if self.remote_dir != BASE {
            words.push(format!("--remote-dir {}", quoted(&self.remote_dir)));
        }
        words.join(" ")
    }

    /// What is brought to hosts.
    pub fn agent(&self) -> &Path {
        self.agent.as_deref().unwrap_or(Path::new(THIS_PROGRAM))
    }

    /// The places of all nodes. Nothing is connected yet.
    pub fn sites(&self, nodes: Option<&str>) -> Result<Sites, String> {
        doctor::sites(self.places(nodes)?)
    }

    /// The same, also of nodes that nobody knows where they are.
    pub fn places(&self, nodes: Option<&str>) -> Result<Vec<Place>, String> {
        let (file, config) = match (&self.testbed, nodes) {
            (Some(_), Some(_)) => {
                return Err("--testbed and --nodes are two places: give one".to_owned());
            }
            (None, None) => {
                return Err(
                    "--testbed or --nodes FILE is missing: it says where the hosts are".to_owned()
                );
            }
            (Some(name), None) => {
                let testbed = Testbed::open(name).map_err(|error| format!("{error:#}"))?;
                let testbed = testbed.ok_or_else(|| {
                    format!(
                        "there is no testbed `{name}`: `cargo real-cluster testbed up` makes one"
                    )
                })?;
                (testbed.nodes_file(), Some(testbed.ssh_config()))
            }
            (None, Some(file)) => (PathBuf::from(file), self.ssh_config.clone()),
        };
        let text = fs::read_to_string(&file).map_err(|error| {
            format!("the nodes file {} cannot be read: {error}", file.display())
        })?;
        let lines = nodes::parse(&text).map_err(|why| format!("{}, {why}", file.display()))?;
        for file in [&self.ssh_key, &self.ssh_config, &self.known_hosts].into_iter().flatten() {
            fs::File::open(file)
                .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        }
        let password = self.sudo_password()?;
        let place = |(at, line): (usize, &NodeLine)| {
            let node = NodeId(at as u16 + 1);
            let access = Access {
                destination: line.destination(),
                port: line.port,
                key: line.key.clone().or_else(|| self.ssh_key.clone()),
                config: config.clone(),
                known_hosts: self.known_hosts.clone(),
                jumps: self.jump.clone(),
                sudo_password: password.clone(),
            };
            let name = name_of(line, config.as_deref());
            let site = address(node, line, name.as_deref()).map(|address| Site {
                node,
                address,
                remote: Rc::new(OpenSsh::new(&node.to_string(), access)),
                host: format!("{}:{}", line.host, line.port.unwrap_or(22)),
                ports: line.ports.clone(),
                base: self.remote_dir.trim_end_matches('/').to_owned(),
            });
            let name = name.filter(|name| name.parse::<IpAddr>().is_err());
            Place { node, name, site }
        };
        Ok(lines.iter().enumerate().map(place).collect())
    }

    fn sudo_password(&self) -> Result<Option<Secret>, String> {
        match &self.sudo_password_file {
            Some(file) => {
                let text = fs::read_to_string(file);
                let text =
                    text.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
                Ok(Some(Secret::new(&text)))
            }
            None => Ok(std::env::var(SUDO_PASSWORD).ok().map(|text| Secret::new(&text))),
        }
    }
}

/// The name that says where a node serves, if its line has no address beside it.
fn name_of(line: &NodeLine, config: Option<&Path>) -> Option<String> {
    line.address.is_none().then(|| real_name(&line.host, config))
}

/// Where a node serves: what its line says, or what its host's name means here.
fn address(node: NodeId, line: &NodeLine, name: Option<&str>) -> Result<IpAddr, String> {
    if let Some(address) = line.address {
        return Ok(address);
    }
    let host = name.unwrap_or(&line.host);
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let found = (host, 0).to_socket_addrs().ok().and_then(|mut all| all.next());
    found.map(|found| found.ip()).ok_or_else(|| {
        format!(
            "{node}: the host name `{host}` cannot be resolved: write an address, or add the name to DNS or /etc/hosts"
        )
    })
}

/// What SSH's configuration makes of a name.
fn real_name(host: &str, config: Option<&Path>) -> String {
    let mut ssh = Command::new("ssh");
    ssh.arg("-G");
    if let Some(config) = config {
        ssh.arg("-F").arg(config);
    }
    let said = ssh.arg("--").arg(host).output().map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).into_owned();
    let named = said.lines().find_map(|line| line.strip_prefix("hostname "));
    named.unwrap_or(host).to_owned()
}

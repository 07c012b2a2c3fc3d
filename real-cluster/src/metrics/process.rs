//! What the kernel says of this process, under the names that every Prometheus client library uses. Read when
//! it is scraped; what cannot be read is left out.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fs;

/// Ticks per second in `/proc`, the same on every Linux that Rust runs on.
const USER_HZ: f64 = 100.0;
const PAGE_BYTES: i64 = 4096;

#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut tell = |name: &str, help: &str, metric: &dyn Told| {
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
        };
        if let Some(seconds) = cpu_seconds() {
            tell("process_cpu_seconds", "user and system time", &ConstCounter::new(seconds))?;
        }
        if let Some(bytes) = resident_bytes() {
            tell("process_resident_memory_bytes", "memory in use", &ConstGauge::new(bytes))?;
        }
        if let Some(seconds) = start_seconds() {
            tell("process_start_time_seconds", "start, since 1970", &ConstGauge::new(seconds))?;
        }
        Ok(())
    }
}

/// `EncodeMetric`, as a value of any kind.
trait Told {
    fn encode(
        &self,
        encoder: prometheus_client::encoding::MetricEncoder,
    ) -> Result<(), std::fmt::Error>;
    fn metric_type(&self) -> prometheus_client::metrics::MetricType;
}

impl<T: EncodeMetric> Told for T {
    fn encode(
        &self,
        encoder: prometheus_client::encoding::MetricEncoder,
    ) -> Result<(), std::fmt::Error> {
        EncodeMetric::encode(self, encoder)
    }

    fn metric_type(&self) -> prometheus_client::metrics::MetricType {
        EncodeMetric::metric_type(self)
    }
}

fn cpu_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Some(seconds(usage.user_time()) + seconds(usage.system_time()))
}

fn resident_bytes() -> Option<i64> {
    let pages: i64 =
        fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

fn start_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // After the name, which may hold anything: field 22 of the line.
    let ticks: f64 = stat.rsplit_once(')')?.1.split(' ').nth(20)?.parse().ok()?;
    let system = fs::read_to_string("/proc/stat").ok()?;
    let boot = system.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(boot.parse::<f64>().ok()? + ticks / USER_HZ)
}

//! Programs that outlive the connection which started them: started, ended, killed, stopped, and what is known of their ends.
//! On this machine, through the same shell script as on hosts.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use real_cluster::db::{Daemon, Started};
use real_cluster::remote::here::Here;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

struct Place {
    folder: PathBuf,
    here: Here,
}

impl Place {
    fn new(test: &str) -> Place {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("daemons of a test").join(test);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        Place { folder, here: Here::named("n1") }
    }

    /// A shell that runs this.
    fn daemon(&self, script: &str) -> Daemon {
        Daemon {
            folder: self.folder.join("daemon").display().to_string(),
            log: self.folder.join("log.txt").display().to_string(),
            words: ["sh", "-c", script, "a name (with) brackets"].map(str::to_owned).to_vec(),
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log.txt")).unwrap_or_default()
    }
}

fn in_real_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(test)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < limit, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn state(id: &str) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[test]
fn a_program_is_started_once_and_ends_well_when_it_is_asked_to() {
    let place = Place::new("once");
    let daemon =
        place.daemon("trap 'kill $!; echo bye; exit 0' TERM; sleep 600 & echo hello; wait");
    in_real_time(async {
        assert_eq!(daemon.running(&place.here).await, Ok(None));
        assert_eq!(daemon.start(&place.here).await, Ok(Started::Started));
        let first = daemon.running(&place.here).await.expect("told").expect("it runs");
        assert_eq!(daemon.start(&place.here).await, Ok(Started::AlreadyRunning));
        assert_eq!(daemon.running(&place.here).await, Ok(Some(first)));
        until("hello", || place.log().contains("hello")).await;
        assert_eq!(daemon.stop(&place.here).await, Ok(true), "it ended by itself");
        assert!(place.log().trim_end().ends_with("bye"), "{}", place.log());
        assert_eq!(daemon.running(&place.here).await, Ok(None));
        assert_eq!(daemon.stop(&place.here).await, Ok(true), "there is nothing to stop");
        assert_eq!(daemon.ends(&place.here, &[]).await, Ok(Vec::new()), "the end was asked for");
        assert_eq!(daemon.start(&place.here).await, Ok(Started::Started));
        let second = daemon.running(&place.here).await.expect("told").expect("it runs");
        assert_ne!(first, second);
        // Its sleep is there before it says so.
        until("the second hello", || place.log().trim_end().ends_with("hello")).await;
        assert_eq!(daemon.kill(&place.here).await, Ok(3), "the leader, the shell and its sleep");
    });
}

#[test]
fn what_does_not_end_is_killed_and_what_is_killed_is_gone_with_all_its_children() {
    let place = Place::new("killed");
    let children = place.folder.join("children");
    let script = format!(
        "trap '' TERM; for i in 1 2 3; do sleep 1000 & echo $! >> '{}'; done; wait",
        children.display()
    );
    let daemon = place.daemon(&script);
    let ids = || fs::read_to_string(&children).unwrap_or_default();
    in_real_time(async {
        for way in ["kill", "stop"] {
            let _ = fs::remove_file(&children);
            daemon.start(&place.here).await.expect("started");
            until("three children", || ids().lines().count() == 3).await;
            match way {
                "kill" => assert_eq!(daemon.kill(&place.here).await, Ok(5)),
                _ => assert_eq!(daemon.stop(&place.here).await, Ok(false), "it had to be killed"),
            }
            for id in ids().lines() {
                assert!(state(id).is_none_or(|state| state == 'Z'), "{id} outlived its {way}");
            }
        }
        assert_eq!(daemon.kill(&place.here).await, Ok(0), "there is nothing to kill");
        assert_eq!(daemon.ends(&place.here, &[]).await, Ok(Vec::new()));
    });
}

#[test]
fn a_stopped_program_stands_with_all_its_children_and_goes_on() {
    let place = Place::new("paused");
    let ticks = place.folder.join("ticks");
    let daemon =
        place.daemon(&format!("while :; do echo >> '{}'; sleep 0.02; done", ticks.display()));
    let count = || fs::read(&ticks).map_or(0, |bytes| bytes.len());
    in_real_time(async {
        assert_eq!(daemon.pause(&place.here).await, Ok(0), "nothing runs");
        daemon.start(&place.here).await.expect("started");
        until("ticks", || count() > 3).await;
        let stopped = daemon.pause(&place.here).await.expect("stopped");
        assert!((2..=3).contains(&stopped), "{stopped}");
        assert_eq!(daemon.pause(&place.here).await, Ok(0), "it stands");
        let before = count();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(count(), before);
        daemon.resume(&place.here).await.expect("continued");
        until("more ticks", || count() > before).await;
        daemon.pause(&place.here).await.expect("stopped");
        assert!(
            daemon.kill(&place.here).await.expect("killed") >= 2,
            "also what stands can be killed"
        );
    });
}

#[test]
fn an_end_that_nobody_asked_for_is_told_once_with_the_line_that_says_why() {
    let place = Place::new("ends");
    let daemon = place.daemon("echo starting; echo thread main panicked at x; echo done; exit 101");
    in_real_time(async {
        daemon.start(&place.here).await.expect("started");
        until("the end", || place.folder.join("daemon/ends").exists()).await;
        let ends = daemon.ends(&place.here, &["panicked"]).await.expect("told");
        assert_eq!(ends.len(), 1);
        assert_eq!((ends[0].status, ends[0].line.as_str()), (101, "thread main panicked at x"));
        assert_eq!(daemon.ends(&place.here, &["panicked"]).await, Ok(Vec::new()), "told once");
        assert_eq!(daemon.running(&place.here).await, Ok(None));
    });
    let other = Place::new("ends of another");
    let daemon = other.daemon("echo $$; exec sleep 1000");
    in_real_time(async {
        daemon.start(&other.here).await.expect("started");
        until("its number", || other.log().lines().count() == 2).await;
        let id = other.log().lines().last().and_then(|line| line.parse().ok()).expect("a number");
        kill(Pid::from_raw(id), Signal::SIGKILL).expect("it is there");
        until("the end", || other.folder.join("daemon/ends").exists()).await;
        let ends = daemon.ends(&other.here, &["panicked"]).await.expect("told");
        assert_eq!(ends[0].status, 137, "somebody else killed it");
    });
}

#[test]
fn a_number_that_belongs_to_another_by_now_is_left_alone() {
    let place = Place::new("another");
    let daemon = place.daemon("exec sleep 1000");
    let mut other =
        std::process::Command::new("setsid").args(["sleep", "1000"]).spawn().expect("it starts");
    in_real_time(async {
        daemon.start(&place.here).await.expect("started");
        daemon.kill(&place.here).await.expect("killed");
        fs::write(place.folder.join("daemon/pid"), format!("{} 1\n", other.id())).expect("written");
        assert_eq!(daemon.running(&place.here).await, Ok(None));
        assert_eq!(daemon.kill(&place.here).await, Ok(0));
        assert_eq!(other.try_wait().expect("known"), None, "it runs on");
    });
    other.kill().expect("it is there");
    other.wait().expect("it ended");
}

#[test]
fn a_program_that_is_not_there_is_told_by_its_end() {
    let place = Place::new("absent");
    let mut daemon = place.daemon("");
    daemon.words = vec!["/no/such program".to_owned()];
    in_real_time(async {
        daemon.start(&place.here).await.expect("the leader starts");
        until("the end", || place.folder.join("daemon/ends").exists()).await;
        let ends = daemon.ends(&place.here, &["not found"]).await.expect("told");
        assert_eq!(ends[0].status, 127);
        assert!(ends[0].line.contains("/no/such program"), "{:?}", ends[0]);
    });
}

//! Who may log in to a host: `root`; `tester`, who has no sudo; and, where the machine has sudo, `admin` with sudo that asks for
//! nothing and `pwadmin` with sudo that asks for a password. All have the same key.

use super::programs::{command, feed, find};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs;

const TESTER: &str = "tester";
const ADMIN: &str = "admin";
const PWADMIN: &str = "pwadmin";
/// The first number that is given to a person.
const FIRST_ID: u32 = 1000;
/// A password that nothing hashes to. One with a `!` would lock the account, and sshd would refuse its keys.
const NO_PASSWORD: &str = "*";
/// What follows a password in /etc/shadow: never expires.
const AGES: &str = "19000:0:99999:7:::";

/// A host's accounts, as files.
pub(super) struct Accounts {
    /// Beside root.
    pub users: Vec<User>,
    /// The folder in which root is at home.
    pub home_of_root: String,
    pub passwd: String,
    pub shadow: String,
    pub group: String,
    /// `None` where there is no sudo.
    pub sudoers: Option<String>,
    /// What `pwadmin` tells sudo.
    pub password: Option<String>,
    /// Why somebody is missing.
    pub left_out: Option<String>,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub name: &'static str,
    /// Also of a group of that name.
    pub id: u32,
}

impl User {
    pub fn home(&self) -> String {
        format!("/home/{}", self.name)
    }
}

/// The machine's own files, which the hosts' are made of.
struct Machine {
    passwd: String,
    shadow: String,
    group: String,
}

impl Accounts {
    /// The accounts of hosts on this machine.
    pub fn new() -> Result<Accounts> {
        let read =
            |file: &str| fs::read_to_string(file).with_context(|| format!("cannot read {file}"));
        let machine = Machine {
            passwd: read("/etc/passwd")?,
            shadow: read("/etc/shadow")?,
            group: read("/etc/group")?,
        };
        let left_out = ["sudo", "openssl"].into_iter().find(|program| find(program).is_none());
        if let Some(program) = left_out {
            let mut accounts = machine.accounts(None)?;
            accounts.left_out = Some(format!(
                "{program} is not installed, so there is no {ADMIN} and no {PWADMIN}: apt-get install -y {program}"
            ));
            return Ok(accounts);
        }
        let password = random_password()?;
        let hashed = feed(command("openssl").args(["passwd", "-6", "-stdin"]), &password)?;
        let mut accounts = machine.accounts(Some(hashed.trim()))?;
        accounts.password = Some(password);
        Ok(accounts)
    }

    /// All names.
    pub fn names(&self) -> Vec<String> {
        let users = self.users.iter().map(|user| user.name);
        std::iter::once("root").chain(users).map(str::to_owned).collect()
    }
}

impl Machine {
    /// With sudo if there is the hash of a password for it.
    fn accounts(&self, hash: Option<&str>) -> Result<Accounts> {
        let names: &[&str] = if hash.is_some() { &[TESTER, ADMIN, PWADMIN] } else { &[TESTER] };
        let users = self.users(names);
        let home_of_root = self.home_of_root()?;
        let mut passwd = without(&self.passwd, names);
        // Root may be locked on the machine; on a host it logs in with the key.
        let mut shadow = without(&self.shadow, &[names, &["root"]].concat());
        let mut group = without(&self.group, names);
        shadow += &format!("root:{NO_PASSWORD}:{AGES}\n");
        for user @ User { name, id } in &users {
            let hash = hash.filter(|_| *name == PWADMIN).unwrap_or(NO_PASSWORD);
            passwd += &format!("{name}:x:{id}:{id}::{}:/bin/bash\n", user.home());
            shadow += &format!("{name}:{hash}:{AGES}\n");
            group += &format!("{name}:x:{id}:\n");
        }
        let sudoers = hash
            .map(|_| format!("{ADMIN} ALL=(ALL:ALL) NOPASSWD: ALL\n{PWADMIN} ALL=(ALL:ALL) ALL\n"));
        let (password, left_out) = (None, None);
        Ok(Accounts { users, home_of_root, passwd, shadow, group, sudoers, password, left_out })
    }

    /// With numbers that neither an account nor a group of the machine has.
    fn users(&self, names: &[&'static str]) -> Vec<User> {
        let ids = self.passwd.lines().chain(self.group.lines());
        let taken: BTreeSet<u32> =
            ids.filter_map(|line| line.split(':').nth(2)?.parse().ok()).collect();
        let free = (FIRST_ID..).filter(|id| !taken.contains(id));
        names.iter().zip(free).map(|(name, id)| User { name, id }).collect()
    }

    fn home_of_root(&self) -> Result<String> {
        let root = self.passwd.lines().find(|line| line.starts_with("root:"));
        let home = root.and_then(|line| line.split(':').nth(5)).unwrap_or_default();
        let plain = home.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
        ensure!(home.len() > 1 && home.starts_with('/') && plain, "root is at home in `{home}`");
        Ok(home.to_owned())
    }
}

/// A file of accounts without some of them, each line ended.
fn without(file: &str, names: &[&str]) -> String {
    let kept = file.lines().filter(|line| !names.contains(&line.split(':').next().unwrap_or("")));
    kept.map(|line| format!("{line}\n")).collect()
}

fn random_password() -> Result<String> {
    let random = getrandom::u64().and_then(|high| Ok((high, getrandom::u64()?)));
    let (high, low) = random.context("the machine gives no random numbers")?;
    Ok(format!("{high:016x}{low:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            passwd: "root:x:0:0:root:/root:/bin/bash\nadmin:x:7:7::/srv:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh".to_owned(),
            shadow: "root:!:19000::::::\nann:x:19000::::::\n".to_owned(),
            group: "root:x:0:\nstaff:x:1002:\n".to_owned(),
        }
    }

    #[test]
    fn nobody_of_a_host_is_somebody_of_the_machine() {
        let accounts = machine().accounts(Some("$6$salt$hash")).expect("root has a home");
        let ids: Vec<(&str, u32)> =
            accounts.users.iter().map(|user| (user.name, user.id)).collect();
        assert_eq!(ids, [("tester", 1001), ("admin", 1003), ("pwadmin", 1004)]);
        assert_eq!(accounts.passwd.matches("\nadmin:").count(), 1, "{}", accounts.passwd);
        assert!(accounts.passwd.contains("\nann:x:1000"), "its other accounts stay");
    }

    #[test]
    fn root_can_log_in_where_the_machine_has_it_locked() {
        let shadow = machine().accounts(None).expect("root has a home").shadow;
        assert!(shadow.contains("root:*:") && !shadow.contains('!'), "{shadow}");
    }

    #[test]
    fn only_one_account_has_a_password_and_none_has_sudo_without_sudo() {
        let with = machine().accounts(Some("$6$salt$hash")).expect("root has a home");
        assert_eq!(with.shadow.matches("$6$").count(), 1);
        assert!(with.shadow.contains("\npwadmin:$6$salt$hash:"), "{}", with.shadow);
        let without = machine().accounts(None).expect("root has a home");
        assert_eq!(without.names(), ["root", "tester"]);
        assert_eq!(without.sudoers, None);
    }

    #[test]
    fn a_home_of_root_that_would_lead_elsewhere_is_refused() {
        for home in ["", "/", "root", "/root/../etc", "/root//x"] {
            let passwd = format!("root:x:0:0:root:{home}:/bin/bash\n");
            assert!(Machine { passwd, ..machine() }.home_of_root().is_err(), "`{home}`");
        }
    }
}

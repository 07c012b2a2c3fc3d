//! Log files by where they are and what they are called here. Jepsen's `log-files` and `log-files-map`.

use std::collections::BTreeMap;

/// A log file of a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogPath {
    /// With the name it gets here: a relative path.
    Named(String, String),
    /// Absolute; what it is called here is what differs among all such.
    Path(String),
}

/// Where each is and what it is called here. An error if two would be called the same.
pub fn log_files_map(files: &[LogPath]) -> Result<BTreeMap<String, String>, String> {
    let paths: Vec<&str> = files
        .iter()
        .filter_map(|file| match file {
            LogPath::Path(path) => Some(path.as_str()),
            LogPath::Named(..) => None,
        })
        .collect();
    let common = common_folders(&paths);
    let mut map = BTreeMap::new();
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for file in files {
        let (path, name) = match file {
            LogPath::Named(path, name) => (path, name.clone()),
            LogPath::Path(path) => (path, short(path, common)),
        };
        if name.is_empty() || name.starts_with('/') || name.split('/').any(|part| part == "..") {
            return Err(format!(
                "`{name}` cannot be the name of a log file here: write a relative path"
            ));
        }
        match names.insert(name.clone(), path) {
            Some(other) if other != path => {
                return Err(format!(
                    "the log files {other} and {path} would both be called `{name}` here"
                ));
            }
            _ => {}
        }
        map.insert(path.clone(), name);
    }
    Ok(map)
}

/// How many folders from the root all paths share; never their last part.
fn common_folders(paths: &[&str]) -> usize {
    let parts: Vec<Vec<&str>> = paths.iter().map(|path| parts(path).collect()).collect();
    let Some(first) = parts.first() else { return 0 };
    let shortest = parts.iter().map(|parts| parts.len().saturating_sub(1)).min().unwrap_or(0);
    (0..shortest).take_while(|at| parts.iter().all(|other| other[*at] == first[*at])).count()
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

fn short(path: &str, common: usize) -> String {
    parts(path).skip(common).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(files: &[LogPath]) -> Result<Vec<(String, String)>, String> {
        Ok(log_files_map(files)?.into_iter().collect())
    }

    fn named(path: &str, name: &str) -> LogPath {
        LogPath::Named(path.to_owned(), name.to_owned())
    }

    fn path(path: &str) -> LogPath {
        LogPath::Path(path.to_owned())
    }

    fn pair(path: &str, name: &str) -> (String, String) {
        (path.to_owned(), name.to_owned())
    }

    #[test]
    fn a_list_gets_short_names_and_a_map_keeps_its_own_in_any_order() {
        let all = [named("/a/x", "x"), path("/v/n/1.log"), path("/v/n/2.log")];
        let expected =
            Ok(vec![pair("/a/x", "x"), pair("/v/n/1.log", "1.log"), pair("/v/n/2.log", "2.log")]);
        for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0]] {
            assert_eq!(map(&order.map(|at| all[at].clone())), expected);
        }
        assert_eq!(map(&[path("/v/n/1.log")]), Ok(vec![pair("/v/n/1.log", "1.log")]));
        let deep = map(&[path("/v/a/db.log"), path("/v/b/db.log")]);
        assert_eq!(
            deep,
            Ok(vec![pair("/v/a/db.log", "a/db.log"), pair("/v/b/db.log", "b/db.log")])
        );
        assert_eq!(map(&[]), Ok(Vec::new()));
    }

    #[test]
    fn two_files_of_one_name_are_an_error_and_one_file_twice_is_not() {
        let sentence = map(&[named("/a/x", "log"), named("/b/x", "log")]).expect_err("a collision");
        assert_eq!(sentence, "the log files /a/x and /b/x would both be called `log` here");
        assert!(map(&[named("/a/x", "x"), path("/v/x")]).is_err());
        assert_eq!(map(&[path("/v/x"), path("/v/x")]), Ok(vec![pair("/v/x", "x")]));
        for name in ["", "/etc/passwd", "../up"] {
            assert!(map(&[named("/a/x", name)]).is_err(), "{name}");
        }
    }
}

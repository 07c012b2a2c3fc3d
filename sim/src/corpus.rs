//! The corpus: failures that are remembered, a pair of files each, and whether what they say still holds.
//!
//! ```text
//!   seeds/<test>/<story>.toml   what is remembered: the seed tier, what it shows, why     Story
//!   seeds/<test>/<story>.plan   the run's decisions: the plan tier                        harness::plan::Plan
//! ```
//!
//! Promises: a pair is written whole and never over another one unless that was asked for; what is in the folder and is
//! no case is refused, not passed over. Cannot see: whether a story that was mended stays mended in runs that are not
//! remembered; sweeps look for those.

use crate::execute::Case;
use harness::plan::Plan;
use harness::store::{self, StoreError};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

mod holds;
mod story;

pub use holds::{Broken, Shown, Way, marks};
pub use story::{Expect, SPAN, Story, kebab};

/// Where the corpus lies, from the root of the repository.
pub const SEEDS: &str = "seeds";

/// A story with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The `.toml`.
    pub file: PathBuf,
    /// What it says.
    pub story: Story,
}

/// A corpus that cannot be read or written: one sentence.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// The file system.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// A plan.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What a file says, or that it is there.
    #[error("{path}: {sentence}", path = path.display())]
    Content {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        sentence: String,
    },
}

/// Every case of a corpus, in the order of their paths.
pub fn read(seeds: &Path) -> Result<Vec<Remembered>, CorpusError> {
    let mut all = Vec::new();
    let (tests, files): (Vec<PathBuf>, Vec<PathBuf>) =
        entries(seeds)?.into_iter().partition(|path| path.is_dir());
    let is_case =
        |file: &&PathBuf| ["toml", "plan"].map(OsStr::new).map(Some).contains(&file.extension());
    if let Some(file) = files.iter().find(is_case) {
        let sentence = "a case lies in the folder of its test, as in seeds/<test>/<story>.toml";
        return Err(content(file, sentence.to_owned()));
    }
    for test in tests {
        for file in entries(&test)? {
            match file.extension().and_then(OsStr::to_str) {
                Some("toml") => all.push(Remembered::load(&file)?),
                Some("plan") if file.with_extension("toml").exists() => {}
                _ => {
                    let sentence = "it belongs to no case: a case is a NAME.toml with a NAME.plan";
                    return Err(content(&file, sentence.to_owned()));
                }
            }
        }
    }
    Ok(all)
}

/// What is visible in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let wrong = |error| io_error(folder, error);
    let entries = fs::read_dir(folder).map_err(wrong)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<io::Result<Vec<PathBuf>>>().map_err(wrong)?;
    paths.retain(|path| !name(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

impl Remembered {
    /// The place of a story in a corpus.
    pub fn at(seeds: &Path, name: &str, story: Story) -> Result<Remembered, CorpusError> {
        let file = seeds.join(&story.test).join(format!("{name}.toml"));
        story::check_name(name).map_err(|sentence| content(&file, sentence))?;
        Ok(Remembered { file, story })
    }

    /// The case of a `.toml`, whose `.plan` lies beside it.
    pub fn load(file: &Path) -> Result<Remembered, CorpusError> {
        let wrong = |sentence| content(file, sentence);
        if file.extension() != Some(OsStr::new("toml")) {
            return Err(wrong("it is not a case, which is a NAME.toml".to_owned()));
        }
        let text = fs::read_to_string(file).map_err(|error| io_error(file, error))?;
        let story = Story::parse(&text).map_err(wrong)?;
        let remembered = Remembered { file: file.to_owned(), story };
        story::check_name(&remembered.name()).map_err(wrong)?;
        let folder = file.parent().map(name).unwrap_or_default();
        // A path that names no folder (`case.toml`) says nothing of the test.
        if !folder.is_empty() && folder != remembered.story.test {
            let test = &remembered.story.test;
            return Err(wrong(format!(
                "a case of test `{test}` lies in {test}/, not in {folder}/"
            )));
        }
        Ok(remembered)
    }

    /// Its plan, which is of the same test and has the same bug.
    pub fn plan(&self) -> Result<Plan, CorpusError> {
        let file = self.plan_file();
        let plan = store::read_plan(&file)?;
        let place = file.display().to_string();
        let case = Case::planned(plan.clone(), &place).map_err(|said| content(&file, said))?;
        let of = |test: &str, bug: Option<&str>| {
            let bug = bug.map(|bug| format!(" with `{bug}`")).unwrap_or_default();
            format!("`{test}`{bug}")
        };
        let is = of(case.test.name, case.bug.map(elastickv::bug::Bug::name));
        let should_be = of(&self.story.test, self.story.bug.as_deref());
        if is != should_be {
            return Err(content(
                &file,
                format!("it is a plan of {is}, its story is of {should_be}"),
            ));
        }
        Ok(plan)
    }

    /// Writes both files; where one of them is already, nothing.
    pub fn write(&self, plan: &Plan) -> Result<(), CorpusError> {
        if let Some(taken) = [&self.file, &self.plan_file()].into_iter().find(|file| file.exists())
        {
            let sentence = "it is there already: --as gives another name, --again replaces it";
            return Err(content(taken, sentence.to_owned()));
        }
        self.replace(plan)
    }

    /// Writes both files over what is there, each whole or not at all.
    pub fn replace(&self, plan: &Plan) -> Result<(), CorpusError> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).map_err(|error| io_error(folder, error))?;
        }
        // The story last: a plan alone is refused when the corpus is read, a story alone could not be made again.
        store::write_plan(&self.plan_file(), plan)?;
        let draft = self.file.with_file_name(format!(".{}.toml.part", self.name()));
        let written = fs::write(&draft, self.story.to_string());
        written.and_then(|()| fs::rename(&draft, &self.file)).map_err(|e| io_error(&self.file, e))
    }

    /// The story's name: the file's, without its ending.
    pub fn name(&self) -> String {
        self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Where its plan lies.
    pub fn plan_file(&self) -> PathBuf {
        self.file.with_extension("plan")
    }

    /// The command that records it again.
    pub fn again(&self) -> String {
        format!("cargo sim remember --again {}", self.file.display())
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn content(path: &Path, sentence: String) -> CorpusError {
    CorpusError::Content { path: path.to_owned(), sentence }
}

fn io_error(path: &Path, error: io::Error) -> CorpusError {
    CorpusError::Io { path: path.to_owned(), error }
}

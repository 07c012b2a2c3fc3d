//! Consistency models by name, and what a set of anomalies says about them.

use super::anomaly::{AnomalySet, AnomalyType};
use super::lattice::MODELS;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// A consistency model, known by its canonical name (`PL-3`) and a friendly one (`serializable`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Model(usize);

impl Model {
    /// `strict-serializable`: there is one order of all transactions, and it respects real time.
    pub const STRICT_SERIALIZABLE: Model = Model(0);
    /// `serializable`: there is one order of all transactions.
    pub const SERIALIZABLE: Model = Model(1);
    /// `snapshot-isolation`: transactions read one snapshot, and of two concurrent writers one fails.
    pub const SNAPSHOT_ISOLATION: Model = Model(2);

    /// Every model, once.
    pub fn all() -> impl Iterator<Item = Model> {
        (0..MODELS.len()).map(Model)
    }

    /// Every name by which a model is known.
    pub fn names() -> impl Iterator<Item = &'static str> {
        MODELS.iter().flat_map(|row| row.names())
    }

    /// Adya's or the literature's name: `PL-3`.
    pub fn canonical(self) -> &'static str {
        MODELS[self.0].canonical
    }

    /// The name for people: `serializable`.
    pub fn friendly(self) -> &'static str {
        MODELS[self.0].friendly
    }

    /// The anomalies that it prohibits, itself or through a weaker model.
    pub fn prohibits(self) -> AnomalySet {
        let weaker = self.weaker();
        let rows = MODELS.iter().enumerate().filter(|(i, _)| weaker & (1 << i) != 0);
        rows.flat_map(|(_, row)| row.prohibits.iter().copied()).collect()
    }

    /// Whether a history of this model is one of the other, too. Every model implies itself.
    pub fn implies(self, other: Model) -> bool {
        self.weaker() & (1 << other.0) != 0
    }

    /// Itself and every weaker model, one bit each.
    fn weaker(self) -> u64 {
        static WEAKER: LazyLock<Vec<u64>> =
            LazyLock::new(|| Model::all().map(Model::weaker_by_table).collect());
        WEAKER[self.0]
    }

    fn weaker_by_table(self) -> u64 {
        let implied = MODELS[self.0].implies.iter();
        implied.fold(1 << self.0, |mask, name| mask | Model::at(name).weaker_by_table())
    }

    fn at(canonical: &str) -> Model {
        let found = MODELS.iter().position(|row| row.canonical == canonical);
        Model(found.expect("our table names only models that it holds"))
    }
}

impl Default for Model {
    fn default() -> Model {
        Model::STRICT_SERIALIZABLE
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.friendly())
    }
}

/// A name that no consistency model has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a consistency model: near names are {near}")]
pub struct UnknownModel {
    name: String,
    near: String,
}

impl FromStr for Model {
    type Err = UnknownModel;

    fn from_str(text: &str) -> Result<Model, UnknownModel> {
        let found = MODELS.iter().position(|row| row.names().any(|name| name == text));
        found.map(Model).ok_or_else(|| UnknownModel { name: text.to_string(), near: near(text) })
    }
}

/// Five names: those that begin like the text first, then those that take the fewest edits to reach.
fn near(text: &str) -> String {
    let letters: Vec<char> = text.chars().take(64).collect();
    let distance = |name| (!str::starts_with(name, text), edits(&letters, name), name);
    let mut names: Vec<_> = Model::names().map(distance).collect();
    names.sort_unstable();
    let names: Vec<_> = names.into_iter().take(5).map(|(_, _, name)| name).collect();
    names.join(", ")
}

/// Levenshtein's distance.
fn edits(from: &[char], to: &str) -> usize {
    let mut row: Vec<usize> = (0..=from.len()).collect();
    for (i, letter) in to.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in from.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[from.len()]
}

/// What the anomalies of a history rule out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impossible {
    /// The weakest models that it is not, by friendly name, sorted.
    pub not: Vec<String>,
    /// All stronger ones.
    pub also_not: Vec<String>,
}

/// The models that a history with these anomalies cannot be of.
pub fn impossible(found: AnomalySet) -> Impossible {
    let found = found.implied();
    let direct = |row: &super::lattice::Row| {
        row.prohibits.iter().any(|anomaly: &AnomalyType| found.contains(*anomaly))
    };
    let hit = MODELS.iter().enumerate().filter(|(_, row)| direct(row));
    let hit = hit.fold(0u64, |mask, (i, _)| mask | 1 << i);
    let mut result = Impossible::default();
    for model in Model::all().filter(|model| model.weaker() & hit != 0) {
        // Nothing strictly weaker is hit: this is where it breaks first.
        let weakest = model.weaker() & hit == 1 << model.0;
        let names = if weakest { &mut result.not } else { &mut result.also_not };
        names.push(model.friendly().to_string());
    }
    result.not.sort();
    result.also_not.sort();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_its_model() {
        assert_eq!(Model::names().count(), 54);
        for name in Model::names() {
            let model: Model = name.parse().unwrap();
            assert!(MODELS[model.0].names().any(|other| other == name), "{name}");
        }
        assert_eq!("strict-serializable".parse(), Ok(Model::STRICT_SERIALIZABLE));
        assert_eq!("serializable".parse(), Ok(Model::SERIALIZABLE));
        assert_eq!("PL-SI".parse(), Ok(Model::SNAPSHOT_ISOLATION));
    }

    #[test]
    fn a_wrong_name_is_answered_with_near_ones() {
        let sentence = "snapshot-isolaton".parse::<Model>().unwrap_err().to_string();
        assert!(
            sentence.starts_with("`snapshot-isolaton` is not a consistency model"),
            "{sentence}"
        );
        assert!(sentence.contains("snapshot-isolation"), "{sentence}");
        let sentence = "strict".parse::<Model>().unwrap_err().to_string();
        assert!(sentence.contains("strict-serializable"), "{sentence}");
    }

    #[test]
    fn the_distance_of_two_words_is_that_of_levenshtein() {
        let words = [
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("abc", "xabc", 1),
            ("xabc", "abc", 1),
            ("abc", "abxc", 1),
            ("abxc", "abc", 1),
            ("abc", "axc", 1),
            ("kitten", "sitting", 3),
            ("sitting", "kitten", 3),
            ("ab", "ba", 2),
        ];
        for (from, to, distance) in words {
            let letters: Vec<char> = from.chars().collect();
            assert_eq!(edits(&letters, to), distance, "{from} {to}");
        }
    }

    #[test]
    fn strict_serializable_prohibits_every_anomaly() {
        let prohibited = Model::STRICT_SERIALIZABLE.prohibits();
        assert!(AnomalyType::ALL.into_iter().all(|anomaly| prohibited.contains(anomaly)));
    }

    #[test]
    fn an_anomaly_rules_out_the_weakest_models_first() {
        let found = AnomalySet::from_iter([AnomalyType::GSingleItem]);
        let ruled_out = impossible(found);
        assert_eq!(ruled_out.not, ["consistent-view", "repeatable-read"]);
        assert!(ruled_out.also_not.contains(&"strong-serializable".to_string()));
        assert_eq!(impossible(AnomalySet::default()), Impossible::default());
    }
}

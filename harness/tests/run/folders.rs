//! A run's folder: what is written is read back, what is damaged is refused, and nothing is replaced.

use super::*;

/// A folder of this test's own below cargo's.
fn fresh(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("it is ours");
    }
    folder
}

#[test]
fn a_run_folder_is_read_back_whole_and_never_replaced() {
    let store = fresh("run-folder");
    let options = Options { nodes: 3, ..options(5) };
    let run = ran(&options, 0x2a, served);
    let judgement = judge(&test(), &options, &run);
    let extra = BTreeMap::from([("bug".to_owned(), "one".to_owned())]);
    let kept = Kept {
        world: World::Simulated,
        options: &options,
        extra: &extra,
        run: &run,
        plan: &Plan::of(&run, &options, Told::default(), Taken::default()),
        judgement: &judgement,
        report: "words\n",
    };
    let save = || store::save(&store, kept).expect("it is written");
    let first = save();
    assert_eq!(first, store.join("redis-append/0x2a"));
    let loaded = store::load(&first).expect("it is read");
    assert_eq!(loaded.run, run);
    assert_eq!(loaded.judgement, Some(judgement.clone()));
    let params = loaded.params;
    assert_eq!((params.options, params.extra), (options.clone(), extra.clone()));
    assert_eq!((params.test.as_str(), params.seed.as_str()), ("redis-append", "0x2a"));
    assert_eq!(params.world, World::Simulated);
    let columns = std::fs::File::open(first.join(store::COLUMNS)).expect("there are lists");
    let columns = columns::file::read(columns).expect("they are read").columns;
    let by_columns = list_append::analyse_columns(&columns, Model::default(), 1);
    assert_eq!(by_columns, list_append::analyse(&run.history, Model::default()));
    assert!(by_columns.coverage.observed > 0, "{:?}", by_columns.coverage);
    let before = std::fs::read(first.join("history.bin")).expect("it is there");
    assert_eq!(save(), store.join("redis-append/0x2a-2"));
    assert_eq!(save(), store.join("redis-append/0x2a-3"));
    assert_eq!(std::fs::read(first.join("history.bin")).expect("it is there"), before);
    let folders = std::fs::read_dir(store.join("redis-append")).expect("it is there").count();
    assert_eq!(folders, 3, "no drafts are left");
}

#[test]
fn a_damaged_folder_is_refused_with_a_sentence() {
    let store = fresh("damaged-folder");
    let options = Options { faults: Vec::new(), ..options(1) };
    let run = ran(&options, 1, served);
    let judgement = judge(&test(), &options, &run);
    let extra = BTreeMap::new();
    let kept = Kept {
        world: World::Simulated,
        options: &options,
        extra: &extra,
        run: &run,
        plan: &Plan::of(&run, &options, Told::default(), Taken::default()),
        judgement: &judgement,
        report: "",
    };
    let folder = store::save(&store, kept).expect("it is written");
    let file = folder.join("history.bin");
    let mut bytes = std::fs::read(&file).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).expect("it is ours");
    let sentence = store::load(&folder).expect_err("it is damaged").to_string();
    assert!(sentence.contains("history.bin: the checksum is"), "{sentence}");
    let sentence = store::load(&store.join("nowhere")).expect_err("it is not there").to_string();
    assert!(sentence.contains("nowhere"), "{sentence}");
}

#[test]
fn history_lines_are_jepsens_op_maps() {
    let options = Options { faults: vec![FaultKind::Kill], ..options(10) };
    let run = ran(&options, 1, served);
    let mut lines = Vec::new();
    store::write_lines(&run.history, &mut lines).expect("memory takes everything");
    let text = String::from_utf8(lines).expect("JSON is UTF-8");
    assert_eq!(text.lines().count(), run.history.events.len());
    for (line, event) in text.lines().zip(&run.history.events) {
        let map: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        assert_eq!(map["time"], event.time.as_nanos() as u64);
        match event.process {
            Process::Client(number) => {
                assert_eq!((&map["process"], &map["f"]), (&number.into(), &"txn".into()));
                let first = &map["value"][0];
                match &event.op.mops()[0] {
                    Mop::Append { key, value } => {
                        assert_eq!(*first, serde_json::json!(["append", key, value]));
                    }
                    Mop::Read { key, values } => {
                        assert_eq!(*first, serde_json::json!(["r", key, values]));
                    }
                }
            }
            Process::Nemesis => {
                assert_eq!((&map["process"], &map["type"]), (&"nemesis".into(), &"info".into()))
            }
        }
    }
}

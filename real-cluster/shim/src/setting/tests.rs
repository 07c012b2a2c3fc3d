use super::*;

const S: i64 = 1_000_000_000;
const MS: i64 = NS_PER_MS;

fn after(changes: &[(i64, Change)]) -> Setting {
    changes.iter().fold(Setting::default(), |setting, (now_ns, change)| {
        setting.changed(*change, *now_ns).unwrap()
    })
}

fn strobe(text: &str) -> Change {
    Change::Strobe(text.parse().unwrap())
}

#[test]
fn a_clock_that_was_never_set_is_true() {
    for now in [0, S, i64::MAX] {
        assert_eq!(Setting::default().skew_ns(now), 0);
    }
}

#[test]
fn jumps_add_up_and_an_offset_does_not() {
    let setting = after(&[(0, Change::JumpMs(5_000)), (S, Change::JumpMs(-7_000))]);
    assert_eq!(setting.skew_ns(9 * S), -2 * S);
    let setting = setting.changed(Change::OffsetMs(40), 9 * S).unwrap();
    assert_eq!(setting.skew_ns(10 * S), 40 * MS);
}

#[test]
fn drift_gains_from_the_moment_it_is_set() {
    let setting = after(&[(100 * S, Change::DriftPpm(1_000))]);
    assert_eq!(setting.skew_ns(100 * S), 0);
    assert_eq!(setting.skew_ns(110 * S), 10 * MS);
    let slow = after(&[(100 * S, Change::DriftPpm(-500_000))]);
    assert_eq!(slow.skew_ns(102 * S), -S);
}

#[test]
fn what_drift_has_gained_stays_when_the_clock_jumps_and_when_the_drift_ends() {
    let jumped = after(&[(0, Change::DriftPpm(100_000)), (10 * S, Change::JumpMs(500))]);
    assert_eq!(jumped.skew_ns(10 * S), S + 500 * MS);
    assert_eq!(jumped.skew_ns(20 * S), 2 * S + 500 * MS, "and the clock goes on gaining");
    let ended = jumped.changed(Change::DriftPpm(0), 20 * S).unwrap();
    assert_eq!(ended.skew_ns(90 * S), 2 * S + 500 * MS);
    assert_eq!(ended.offset_ms(90 * S), 2_500);
}

#[test]
fn an_offset_forgets_what_drift_had_gained() {
    let setting = after(&[(0, Change::DriftPpm(100_000)), (10 * S, Change::OffsetMs(0))]);
    assert_eq!(setting.skew_ns(10 * S), 0);
    assert_eq!(setting.skew_ns(20 * S), S);
}

#[test]
fn a_strobe_begins_ahead_and_returns_every_period() {
    let setting = after(&[(0, Change::OffsetMs(1_000)), (3 * S, strobe("200,50"))]);
    let seen: Vec<i64> =
        [0, 49, 50, 99, 100, 151].map(|ms| setting.skew_ns(3 * S + ms * MS) / MS).to_vec();
    assert_eq!(seen, [1_200, 1_200, 1_000, 1_000, 1_200, 1_000]);
    assert_eq!(setting.offset_ms(3 * S), 1_000, "the strobe is no part of the offset");
    assert_eq!(setting.changed(strobe("0,50"), 4 * S).unwrap().strobe(), None);
}

#[test]
fn a_reset_is_a_true_clock() {
    let all = [
        (0, Change::DriftPpm(-9)),
        (1, strobe("-200,50")),
        (2, Change::JumpMs(5)),
        (3, Change::Reset),
    ];
    assert_eq!(after(&all), Setting::default());
}

#[test]
fn no_clock_is_more_than_ten_years_off() {
    let far = after(&[(0, Change::OffsetMs(OFFSET_MS_MAX))]);
    let refused = far.changed(Change::JumpMs(1), S).unwrap_err().to_string();
    let said =
        "the clock would be 315576000001 ms off: at most 315576000000 ms (ten years) either way";
    assert_eq!(refused, said);
    let drifting = far.changed(Change::DriftPpm(500_000), S).unwrap();
    assert_eq!(drifting.skew_ns(i64::MAX), OFFSET_MS_MAX * MS);
}

#[test]
fn after_a_reboot_the_offset_stays_and_drift_begins_anew() {
    let setting = after(&[(900 * S, Change::JumpMs(7)), (900 * S, Change::DriftPpm(1_000))]);
    let setting = setting.changed(strobe("200,50"), 900 * S).unwrap().rebooted(5 * S);
    assert_eq!(setting.skew_ns(5 * S), 207 * MS);
    assert_eq!(setting.skew_ns(15 * S), 217 * MS);
}

#[test]
fn a_setting_outlives_its_text() {
    let setting = after(&[(7, Change::DriftPpm(-3)), (8, strobe("-200,50"))]);
    let text = serde_json::to_string(&setting).unwrap();
    assert_eq!(serde_json::from_str::<Setting>(&text).unwrap(), setting);
    let never = text.replace(r#""period_ms":50"#, r#""period_ms":0"#);
    assert!(serde_json::from_str::<Setting>(&never).is_err(), "{never}");
}

#[test]
fn numbers_out_of_range_are_told_the_range() {
    assert_eq!(offset_ms("-315576000000"), Ok(-OFFSET_MS_MAX));
    for wrong in ["315576000001", "5s", "", "1.5"] {
        let said = format!("`{wrong}` is not a whole number from -315576000000 to 315576000000 ms");
        assert_eq!(offset_ms(wrong), Err(said));
    }
    assert_eq!(drift_ppm("-500000"), Ok(-500_000));
    let said = "`500001` is not a whole number from -500000 to 500000 ppm";
    assert_eq!(drift_ppm("500001"), Err(said.to_owned()));
    for wrong in ["200,0", "200,3600001", "200,"] {
        let said = wrong.parse::<Strobe>().unwrap_err();
        assert!(said.ends_with("is not a whole number from 1 to 3600000 ms"), "{said}");
    }
    assert_eq!("200".parse::<Strobe>(), Err("not DELTA,PERIOD, such as 200,50".to_owned()));
}

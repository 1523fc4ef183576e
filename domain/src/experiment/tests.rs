use super::*;

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn experiment(method: Method, share_percent: u8) -> Experiment {
    Experiment {
        id: ExperimentId::new(START, [1; 10]),
        name: "words".to_owned(),
        method,
        share_percent,
        days_max: 28,
        control_release: 3,
        draft_id: DraftId::new(START, [2; 10]),
        draft_version: 4,
        tuning: Tuning::default(),
        evaluation: Vec::new(),
        override_reason: None,
        started_by: "role:merchandiser".to_owned(),
        started_at: START,
        figures: None,
        end: None,
    }
}

fn sessions() -> impl Iterator<Item = SessionId> {
    (0..10_000_u32).map(|number| {
        let mut random = [0; 10];
        random[6..].copy_from_slice(&number.to_be_bytes());
        SessionId::new(START, random)
    })
}

fn counts(control: (u64, u64), treatment: (u64, u64)) -> Counts {
    let arm = |(visits, successes)| ArmCounts { visits, successes, sales: 0 };
    Counts { control: arm(control), treatment: arm(treatment), undecided: 0 }
}

fn verdict(method: Method, counts: Counts, days: i64) -> Option<Outcome> {
    let now = START + (24 * days).hours();
    experiment(method, 100).verdict(&Figures::new(method, counts, now), now)
}

#[test]
fn as_many_visits_take_part_as_said_half_of_them_in_each_arm() {
    let split = experiment(Method::Split, 30);
    let arms: Vec<_> = sessions().filter_map(|session| split.assignment(session)).collect();
    assert!((2_850..3_150).contains(&arms.len()), "{}", arms.len());
    let treated = arms.iter().filter(|arm| **arm == Assignment::Split(Arm::Treatment)).count();
    assert!(treated.abs_diff(arms.len() / 2) < 100, "{treated} of {}", arms.len());
}

#[test]
fn another_experiment_draws_anew() {
    let split = experiment(Method::Split, 100);
    let other = Experiment { id: ExperimentId::new(START, [9; 10]), ..split.clone() };
    let mut moved = 0;
    for session in sessions().take(1_000) {
        moved += usize::from(split.assignment(session) != other.assignment(session));
    }
    assert!((400..600).contains(&moved), "{moved}");
}

#[test]
fn each_search_of_a_visit_has_coins_of_its_own() {
    let experiment = experiment(Method::Interleaved, 100);
    let mut sessions = sessions();
    let (one, other) = (sessions.next().expect("one"), sessions.next().expect("another"));
    assert_eq!(experiment.assignment(one), Some(Assignment::Interleaved));
    assert_eq!(experiment.coins(one, "a"), experiment.coins(one, "a"));
    assert_ne!(experiment.coins(one, "a"), experiment.coins(one, "b"));
    assert_ne!(experiment.coins(one, "a"), experiment.coins(other, "a"));
}

#[test]
fn good_news_waits_a_week_and_bad_news_does_not() {
    let better = counts((5_000, 2_000), (5_000, 2_300));
    assert_eq!(verdict(Method::Split, better, 2), None);
    assert_eq!(verdict(Method::Split, better, 7), Some(Outcome::TreatmentBetter));
    let worse = counts((5_000, 2_300), (5_000, 2_000));
    assert_eq!(verdict(Method::Split, worse, 1), Some(Outcome::ControlBetter));
    assert_eq!(
        verdict(Method::Interleaved, counts((900, 300), (900, 450)), 7),
        Some(Outcome::TreatmentBetter)
    );
    assert_eq!(verdict(Method::Interleaved, counts((900, 450), (900, 300)), 0), Some(Outcome::ControlBetter));
}

#[test]
fn what_chance_can_do_ends_undecided() {
    let same = counts((5_000, 2_000), (5_010, 2_020));
    assert_eq!(verdict(Method::Split, same, 27), None);
    assert_eq!(verdict(Method::Split, same, 28), Some(Outcome::Undecided));
}

#[test]
fn uneven_arms_decide_nothing() {
    let uneven = counts((5_000, 2_000), (4_500, 2_300));
    let figures = Figures::new(Method::Split, uneven, START);
    assert!(figures.is_uneven && figures.p_value < SIGNIFICANCE);
    assert_eq!(verdict(Method::Split, uneven, 20), None);
    assert_eq!(verdict(Method::Split, uneven, 28), Some(Outcome::Undecided));
    assert!(!Figures::new(Method::Split, counts((5_000, 0), (4_800, 0)), START).is_uneven);
}

#[test]
fn what_was_better_for_a_few_days_is_not() {
    let novel = counts((1_000, 400), (1_000, 520));
    let worn_off = counts((4_000, 1_600), (4_000, 1_610));
    assert_eq!((verdict(Method::Split, novel, 2), verdict(Method::Split, worn_off, 7)), (None, None));
}

#[test]
fn what_is_asked_for_is_checked() {
    let new = |body: &str| serde_json::from_str::<NewExperiment>(body);
    let body = r#"{"draft_id": "01890a5d-ac96-774b-bcce-b302099a8057", "name": " ", "method": "split",
                   "share_percent": 0, "days_max": 6, "override_reason": ""}"#;
    let errors = new(body).expect("well-formed").check().expect_err("refused");
    let pointers: Vec<_> = errors.into_iter().map(|error| error.pointer).collect();
    assert_eq!(pointers, ["/name", "/override_reason", "/share_percent", "/days_max"]);
    assert!(new(&body.replace("split", "guess")).is_err());
}

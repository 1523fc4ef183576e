use super::*;

const EXPERIMENT: ExperimentId = ExperimentId(uuid::Uuid::from_u128(9));
const OTHER: ExperimentId = ExperimentId(uuid::Uuid::from_u128(8));

/// Kind, visit, second, product, experiment, arm.
type Row = (BehaviourKind, u8, i64, Option<u8>, Option<ExperimentId>, Option<Arm>);

fn search(visit: u8, arm: Option<Arm>) -> Row {
    (BehaviourKind::Search, visit, 10, None, Some(EXPERIMENT), arm)
}

fn click(visit: u8, second: i64, product: u8, arm: Option<Arm>) -> Row {
    (BehaviourKind::Click, visit, second, Some(product), Some(EXPERIMENT), arm)
}

fn cart(visit: u8, product: u8) -> Row {
    (BehaviourKind::CartAdd, visit, 30, Some(product), None, None)
}

fn purchase(visit: u8) -> Row {
    (BehaviourKind::Purchase, visit, 40, None, None, None)
}

fn frame(rows: &[Row]) -> LazyFrame {
    let bytes = |value: Option<u8>| value.map(|number| vec![number; 16]);
    df!(
        event::KIND => rows.iter().map(|row| row.0.name()).collect::<Vec<_>>(),
        event::SESSION_ID => rows.iter().map(|row| vec![row.1; 16]).collect::<Vec<_>>(),
        event::OCCURRED_AT => rows.iter().map(|row| row.2 * 1_000_000).collect::<Vec<_>>(),
        event::PRODUCT_ID => rows.iter().map(|row| bytes(row.3)).collect::<Vec<_>>(),
        event::EXPERIMENT_ID => rows.iter().map(|row| row.4.map(|id| id.0.as_bytes().to_vec())).collect::<Vec<_>>(),
        event::ARM => rows.iter().map(|row| row.5.map(Arm::name)).collect::<Vec<_>>(),
        event::QUERY => rows.iter().map(|row| row.3.is_some().then_some("scarf")).collect::<Vec<_>>(),
    )
    .expect("columns of one length")
    .lazy()
}

fn arm(visits: u64, successes: u64, sales: u64) -> ArmCounts {
    ArmCounts { visits, successes, sales }
}

fn counted(rows: &[Row], method: Method, second: i64) -> Counts {
    let now = Timestamp::from_second(second).expect("in range");
    experiment_counts(&frame(rows), EXPERIMENT, method, now).expect("counted")
}

const LATER: i64 = 2 * 60 * WATCHED_MINUTES;

#[test]
fn visits_count_by_the_arm_that_answered_them() {
    let (control, treatment) = (Some(Arm::Control), Some(Arm::Treatment));
    let rows = [
        search(1, control),
        search(1, control),
        click(1, 20, 1, control),
        click(1, 21, 2, control),
        cart(1, 1),
        purchase(1),
        search(2, control),
        // Before it was answered by the experiment.
        click(2, 5, 1, None),
        search(3, treatment),
        click(3, 20, 1, treatment),
        cart(3, 2),
        purchase(3),
        // Told by one who does not say what it saw.
        search(4, treatment),
        click(4, 20, 1, None),
        search(5, control),
        search(5, treatment),
        click(5, 20, 1, control),
        (BehaviourKind::Search, 6, 10, None, Some(OTHER), control),
        (BehaviourKind::Search, 7, 10, None, None, None),
        click(7, 20, 1, None),
    ];
    let counts = counted(&rows, Method::Split, LATER);
    assert_eq!(counts, Counts { control: arm(2, 1, 1), treatment: arm(2, 2, 0), undecided: 1 });
}

#[test]
fn visits_are_won_by_the_arm_with_more_clicked_hits() {
    let (control, treatment) = (Some(Arm::Control), Some(Arm::Treatment));
    let rows = [
        search(1, None),
        click(1, 20, 1, control),
        // Clicked again: still one hit.
        click(1, 21, 1, control),
        click(1, 22, 2, treatment),
        click(1, 23, 3, treatment),
        cart(1, 1),
        cart(1, 2),
        purchase(1),
        search(2, None),
        click(2, 20, 1, control),
        click(2, 21, 2, treatment),
        search(3, None),
        search(4, None),
        click(4, 20, 1, control),
        // Nobody's.
        click(4, 21, 2, None),
        cart(4, 1),
    ];
    let counts = counted(&rows, Method::Interleaved, LATER);
    assert_eq!(counts, Counts { control: arm(4, 1, 1), treatment: arm(4, 1, 1), undecided: 1 });
}

#[test]
fn nothing_was_done_where_nobody_came() {
    for method in [Method::Split, Method::Interleaved] {
        assert_eq!(counted(&[purchase(1)], method, LATER), Counts::default());
    }
}

#[test]
fn a_visit_counts_when_its_hour_is_over_and_then_stays_as_it_was() {
    let (over, late) = (10 + 60 * WATCHED_MINUTES, 20 + 60 * WATCHED_MINUTES);
    let treatment = Some(Arm::Treatment);
    let rows = [
        search(1, treatment),
        search(2, treatment),
        click(1, 20, 1, treatment),
        click(2, late, 1, treatment),
    ];
    assert_eq!(counted(&rows, Method::Split, over - 1), Counts::default());
    for second in [over, LATER] {
        assert_eq!(counted(&rows, Method::Split, second).treatment, arm(2, 1, 0));
    }
    let rows = rows.map(|row| if row.0 == BehaviourKind::Search { search(row.1, None) } else { row });
    assert_eq!(counted(&rows, Method::Interleaved, over - 1), Counts::default());
    assert_eq!(counted(&rows, Method::Interleaved, LATER).treatment, arm(2, 1, 0));
}

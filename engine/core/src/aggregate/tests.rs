//! What every kind of state promises, tried on all of them: no order of arrival and no merge changes a value, and a value
//! holds until it says.

use super::cells::{self, Cells};
use super::spec::{Kind, SessionSpec, Spec, Unit};
use super::{AggregateState, Occurrence};
use crate::evaluate::Answer;
use crate::record::{Event, Seq};
use proptest::prelude::*;
use rust_decimal::Decimal;
use sonder_dsl::ir::{AggregateId, ContextSlot, EventSelector, Pattern, SessionBounds, Value, Window};
use sonder_dsl::time::{Duration, Moment};

/// When, what, of which group.
type Happening = (i64, Option<i64>, Option<i64>);

fn spec() -> impl Strategy<Value = Spec> {
    let kinds = [
        Kind::Count,
        Kind::Did,
        Kind::Sum,
        Kind::Avg,
        Kind::Min,
        Kind::Max,
        Kind::First,
        Kind::Last,
        Kind::Distinct,
        Kind::Top,
        Kind::Since,
    ];
    let window = prop_oneof![
        3 => (1..25_i64).prop_map(|width| Window::Last(Duration(width))),
        1 => Just(Window::Always),
        1 => (0..25_i64).prop_map(|start| Window::Since(Moment(start))),
        2 => (0..9_i64, 0..15_i64).prop_map(|(idle, more)| Window::Session(SessionBounds {
            idle: Duration(idle),
            max: Duration(idle + more),
        })),
    ];
    let unit = prop::sample::select(vec![Unit::Exact { scale: 1, decimal: true }, Unit::Float]);
    (prop::sample::select(kinds.to_vec()), window, any::<bool>(), unit).prop_map(|(kind, window, keyed, unit)| Spec {
        kind,
        pattern: Pattern { event: EventSelector::Any, filter: None },
        window,
        purpose: None,
        enough: if kind == Kind::Did { 1 } else { usize::MAX },
        value: None,
        per: None,
        keyed,
        unit,
        sequence: None,
        session: match window {
            Window::Session(bounds) => Some(Box::new(SessionSpec { bounds, client: vec![ContextSlot(0)] })),
            _ => None,
        },
        cell: None,
    })
}

/// Of the client's session that its value stands for, if any.
fn event_of(value: Option<i64>) -> Event {
    let client = value.filter(|it| *it < 0).map(Value::Int);
    Event { context: Box::new([client]), ..Event::nothing() }
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    prop::collection::vec((0..40_i64, prop::option::of(-3..4_i64), prop::option::weighted(0.9, 0..3_i64)), 0..14)
}

/// All of them, arrived in that order; their place in the log is their place in `all`.
fn state<'a>(order: impl Iterator<Item = (usize, &'a Happening)>, spec: &Spec) -> AggregateState {
    let mut state = AggregateState::new(spec);
    let mut dropped = 0;
    // The fold's moment never goes back, and nothing happens after it.
    let mut now = Moment(0);
    for (seq, (at, value, group)) in order {
        now = now.max(Moment(*at));
        if !spec.admits(Moment(*at), now) {
            continue;
        }
        let event = event_of(*value);
        let counts = spec.session.is_none() || *value != Some(2);
        let value = value.map(|it| match spec.unit {
            Unit::Float => Value::Float(it as f64 / 3.0),
            Unit::Exact { .. } => Value::Decimal(Decimal::new(it, 1)),
        });
        let group = group.map(Value::Int);
        let seq = Seq(seq as u64);
        let (at, value, group) = (Moment(*at), value.as_ref(), group.as_ref());
        state.insert(&Occurrence { at, seq, now, value, group, counts, event: &event }, spec, &mut dropped);
    }
    assert_eq!(dropped, 0);
    state
}

fn read(state: &AggregateState, now: i64, spec: &Spec) -> (String, Moment, i64) {
    let answer = state.read(Moment(now), spec);
    (format!("{:?}", answer.datum), answer.until, answer.rate)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_arrival_changes_a_value(all in happenings(), spec in spec(), swap in prop::collection::vec(any::<u64>(), 14)) {
        let in_order = state(all.iter().enumerate(), &spec);
        let mut shuffled: Vec<_> = all.iter().enumerate().collect();
        shuffled.sort_by_key(|(seq, _)| swap[*seq]);
        let shuffled = state(shuffled.into_iter(), &spec);
        for now in 40..70 {
            prop_assert_eq!(read(&in_order, now, &spec), read(&shuffled, now, &spec), "at {}", now);
        }
    }

    #[test]
    fn merging_is_taking_in_all(all in happenings(), spec in spec(), mine in prop::collection::vec(any::<bool>(), 14)) {
        let together = state(all.iter().enumerate(), &spec);
        let of = |whose: bool| state(all.iter().enumerate().filter(|(seq, _)| mine[*seq] == whose), &spec);
        let (mut one, mut two) = (of(true), of(false));
        one.merge(of(false), &spec, &mut 0);
        two.merge(of(true), &spec, &mut 0);
        for now in 40..70 {
            let expected = read(&together, now, &spec);
            prop_assert_eq!(&read(&one, now, &spec), &expected, "at {}", now);
            prop_assert_eq!(&read(&two, now, &spec), &expected, "at {}", now);
        }
    }

    #[test]
    fn a_value_holds_until_it_says(all in happenings(), spec in spec(), now in 40..70_i64) {
        let state = state(all.iter().enumerate(), &spec);
        let (value, until, rate) = read(&state, now, &spec);
        prop_assert!(until > Moment(now));
        for later in now..until.0.min(120) {
            let (later_value, _, _) = read(&state, later, &spec);
            prop_assert!(rate != 0 || later_value == value, "{} until {} became {} at {}", value, until, later_value, later);
        }
        // Counts fall, and flags fall with the last event: no sooner than they say, and no later.
        let counts = matches!(spec.kind, Kind::Count | Kind::Did);
        let exact = (counts || spec.kind == Kind::Distinct && spec.session.is_none()) && !spec.keyed;
        if exact && until != Moment::MAX {
            prop_assert_ne!(&read(&state, until.0, &spec).0, &value);
        }
    }

    #[test]
    fn a_count_reaches_a_threshold_until_it_says(all in happenings(), spec in spec(), now in 40..70_i64, threshold in 1..5_usize) {
        let state = state(all.iter().enumerate(), &spec);
        let Some((reaches, until)) = state.reaches(threshold, Moment(now), &spec) else { return Ok(()) };
        let counted = |now: i64| match state.read(Moment(now), &spec).datum {
            crate::datum::Datum::Int(count) => count >= threshold as i64,
            _ => false,
        };
        for later in now..until.0.min(120) {
            prop_assert_eq!(counted(later), reaches);
        }
        if until != Moment::MAX {
            prop_assert_ne!(counted(until.0), reaches);
        }
    }
}

/// At a limit nothing is lost, one beyond it the oldest is, and that is counted.
#[test]
fn limits_hold_at_n_and_are_counted_at_n_plus_one() {
    let base = |kind: Kind| Spec {
        kind,
        pattern: Pattern { event: EventSelector::Any, filter: None },
        window: Window::Last(Duration(1_000_000)),
        purpose: None,
        enough: usize::MAX,
        value: None,
        per: None,
        keyed: false,
        unit: Unit::Exact { scale: 0, decimal: false },
        sequence: None,
        session: None,
        cell: None,
    };
    let keyed = Spec { keyed: true, ..base(Kind::Count) };
    for (spec, limit) in [
        (base(Kind::Count), crate::limits::WINDOW_ENTRIES),
        (base(Kind::Sum), crate::limits::WINDOW_ENTRIES),
        (base(Kind::First), crate::limits::WINDOW_ENTRIES),
        (base(Kind::Min), crate::limits::WINDOW_ENTRIES),
        (base(Kind::Distinct), crate::limits::DISTINCT_VALUES),
        (base(Kind::Top), crate::limits::TOP_VALUES),
        (keyed, crate::limits::GROUPS),
    ] {
        let event = Event::nothing();
        let mut state = AggregateState::new(&spec);
        let mut dropped = 0;
        for index in 0..=limit {
            assert_eq!(dropped, 0, "{:?} at {index} of {limit}", spec.kind);
            let (at, value) = (Moment(index as i64), Value::Int(index as i64));
            let seq = Seq(index as u64);
            let occurrence =
                Occurrence { at, seq, now: at, value: Some(&value), group: Some(&value), counts: true, event: &event };
            state.insert(&occurrence, &spec, &mut dropped);
        }
        assert_eq!(dropped, 1, "{:?} beyond {limit}", spec.kind);
    }
}

/// `count(...) >= 3` needs the three latest, however many there are.
#[test]
fn a_count_that_is_only_compared_is_bounded_by_the_constant() {
    let spec = Spec {
        kind: Kind::Count,
        pattern: Pattern { event: EventSelector::Any, filter: None },
        window: Window::Last(Duration(1_000)),
        purpose: None,
        enough: 3,
        value: None,
        per: None,
        keyed: false,
        unit: Unit::Exact { scale: 0, decimal: false },
        sequence: None,
        session: None,
        cell: None,
    };
    let event = Event::nothing();
    let mut state = AggregateState::new(&spec);
    let mut dropped = 0;
    for at in 0..500 {
        let occurrence = Occurrence {
            at: Moment(at),
            seq: Seq(1),
            now: Moment(at),
            value: None,
            group: None,
            counts: true,
            event: &event,
        };
        state.insert(&occurrence, &spec, &mut dropped);
    }
    assert!(state.heap() <= 8 * size_of::<Moment>(), "{} bytes", state.heap());
    assert_eq!(dropped, 0, "forgetting what cannot matter is no loss");
    assert_eq!(state.reaches(3, Moment(499), &spec), Some((true, Moment(1_497))));
}

/// Aggregates of a few words, all of the same events.
fn few_words() -> impl Strategy<Value = Vec<Spec>> {
    let window =
        prop_oneof![4 => (1..25_i64).prop_map(|width| Window::Last(Duration(width))), 1 => Just(Window::Always)];
    let one = (prop::sample::select(vec![Kind::Count, Kind::Did, Kind::Since]), window, 1..9_usize);
    let one = one.prop_map(|(kind, window, enough)| Spec {
        kind,
        pattern: Pattern { event: EventSelector::Any, filter: None },
        window,
        purpose: None,
        enough: if kind == Kind::Did { 1 } else { enough },
        value: None,
        per: None,
        keyed: false,
        unit: Unit::Exact { scale: 0, decimal: false },
        sequence: None,
        session: None,
        cell: None,
    });
    prop::collection::vec(one, 1..7)
}

/// The same events of one person, by aggregates that share what they keep, and by such that have states of their own.
#[derive(Clone, Default)]
struct Both {
    cells: Cells,
    own: Vec<Option<AggregateState>>,
}

impl Both {
    fn note(&mut self, specs: &[Spec], sharing: &[Vec<AggregateId>], at: Moment, now: Moment) {
        self.own.resize(specs.len(), None);
        for (index, spec) in specs.iter().enumerate() {
            if spec.admits(at, now) {
                let alone = Spec { cell: None, ..spec.clone() };
                let state = self.own[index].get_or_insert_with(|| AggregateState::new(&alone));
                let event = Event::nothing();
                let it = Occurrence { at, seq: Seq(0), now, value: None, group: None, counts: true, event: &event };
                state.insert(&it, &alone, &mut 0);
            }
        }
        for (owner, sharers) in sharing.iter().enumerate().filter(|(_, sharers)| !sharers.is_empty()) {
            if sharers.iter().any(|id| specs[id.index()].admits(at, now)) {
                self.cells.note(&mut 0, AggregateId(owner as u32), specs[owner].cell.unwrap().form, at);
            }
        }
    }

    fn merge(&mut self, other: Self, specs: &[Spec]) {
        for (owner, words) in other.cells.iter() {
            self.cells.merge(owner, specs[owner.index()].cell.unwrap().form, words);
        }
        for ((ours, theirs), spec) in self.own.iter_mut().zip(other.own).zip(specs) {
            match (ours, theirs) {
                (Some(ours), Some(theirs)) => ours.merge(theirs, spec, &mut 0),
                (ours, theirs) => *ours = ours.take().or(theirs),
            }
        }
    }

    fn shared<'a>(&'a self, spec: &Spec, now: Moment) -> Answer<'a> {
        let cell = spec.cell.unwrap();
        self.cells.get(cell.owner).map_or_else(|| spec.of_nothing(), |words| cells::read(cell.part(words), now, spec))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Windows and thresholds that share the moments of their events answer as if each had its own; also after a merge, and
    /// from a checkpoint, in whatever order it names them.
    #[test]
    fn those_that_share_answer_as_if_alone(
        mut specs in few_words(),
        all in prop::collection::vec((0..6_i64, 0..30_i64, any::<bool>()), 1..20),
        more in 0..8_i64,
        turn in any::<prop::sample::Index>(),
    ) {
        let sharing = cells::share(&mut specs);
        let mut people = [Both::default(), Both::default()];
        people.iter_mut().for_each(|it| it.own.resize(specs.len(), None));
        let mut now = 40;
        for (later, late, who) in all {
            now += later;
            people[usize::from(who)].note(&specs, &sharing, Moment(now - late), Moment(now));
        }
        let [mut one, two] = people;
        one.merge(two, &specs);
        let mut kept = Cells::default();
        for index in 0..specs.len() {
            let spec = &specs[(index + turn.index(specs.len())) % specs.len()];
            let words = one.cells.get(spec.cell.unwrap().owner);
            if let Some(state) = words.and_then(|words| cells::to_state(words, spec)) {
                kept.put(spec.cell.unwrap(), &state);
            }
        }
        prop_assert!(kept.iter().eq(one.cells.iter()));
        let now = Moment(now + more);
        for (spec, own) in specs.iter().zip(&one.own) {
            let (shared, nothing) = (one.shared(spec, now), spec.of_nothing());
            let alone = own.as_ref().map_or(nothing, |state| state.read(now, spec));
            prop_assert_eq!(format!("{:?}", shared), format!("{:?}", alone), "{:?}", spec);
        }
    }
}

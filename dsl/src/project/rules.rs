//! The last step: what destinations receive of rules, and everything joined into a program.

use crate::diagnostic::{Diagnostic, Report, codes, suggest};
use crate::ir::{Lowered, Program, RuleId, RuleKind};
use crate::model::{Declarations, DeclaredDestination, Destination, Reference};

/// Resolves what is left and joins both fronts. The program is only of use when the report has no error.
pub(crate) fn assemble(mut declarations: Declarations, lowered: Lowered, report: &mut Report) -> Program {
    let declared = std::mem::take(&mut declarations.destinations);
    let destinations: Vec<Destination> =
        declared.into_iter().map(|destination| resolve(destination, &declarations, &lowered, report)).collect();
    let Declarations { settings, mut events, event_names, sources, identity, profile, .. } = declarations;
    for (event, slots) in events.iter_mut().zip(lowered.slots) {
        event.slots = slots;
    }
    let mut program = Program {
        settings,
        events,
        event_names,
        sources,
        identity,
        profile,
        destinations,
        context_slots: lowered.context_slots,
        aggregates: lowered.aggregates,
        rules: lowered.rules,
        aggregates_of_event: lowered.aggregates_of_event,
        rules_of_aggregate: lowered.rules_of_aggregate,
        rules_of_profile_trait: lowered.rules_of_profile_trait,
        fingerprint: crate::ir::Fingerprint::default(),
    };
    program.fingerprint = super::fingerprint::of_program(&program);
    program
}

fn resolve(
    declared: DeclaredDestination,
    declarations: &Declarations,
    lowered: &Lowered,
    report: &mut Report,
) -> Destination {
    let DeclaredDestination { mut destination, segments, traits } = declared;
    let names = Names { declarations, lowered };
    destination.segments = segments.iter().filter_map(|reference| names.segment(reference, report)).collect();
    for reference in &traits {
        match names.any_trait(reference, report) {
            Some(Found::Profile(id)) => destination.profile_traits.push(id),
            Some(Found::Computed(id)) => destination.computed_traits.push(id),
            None => {}
        }
    }
    destination
}

enum Found {
    Profile(crate::ir::ProfileTraitId),
    Computed(RuleId),
}

struct Names<'a> {
    declarations: &'a Declarations,
    lowered: &'a Lowered,
}

impl Names<'_> {
    fn segment(&self, reference: &Reference, report: &mut Report) -> Option<RuleId> {
        if let Some((id, kind)) = self.rule(&reference.name) {
            if *kind == RuleKind::Segment {
                return Some(id);
            }
            let message = format!("`{}` is a trait, not a segment", reference.name);
            report.push(
                Diagnostic::error(codes::UNKNOWN_SEGMENT, message, reference.span, "a segment belongs here")
                    .help("move it to `traits`"),
            );
            return None;
        }
        if !self.is_faulty(&reference.name) {
            let message = format!("there is no segment `{}`", reference.name);
            let error = Diagnostic::error(codes::UNKNOWN_SEGMENT, message, reference.span, "not declared in rules/");
            let known = self.rules(|kind| *kind == RuleKind::Segment);
            report.push(with_help(error, suggest::help(&reference.name, known)));
        }
        None
    }

    fn any_trait(&self, reference: &Reference, report: &mut Report) -> Option<Found> {
        let profile = self.declarations.profile_named(&reference.name).map(|(id, _)| id);
        match (profile, self.rule(&reference.name)) {
            (Some(_), Some((id, RuleKind::Trait(_)))) => {
                let message = format!("`{}` is a trait of the profile and a trait of the rules", reference.name);
                let mut error = Diagnostic::error(codes::AMBIGUOUS_TRAIT, message, reference.span, "which of both?");
                if let Some(&place) = self.lowered.rule_places.get(id.index()) {
                    error = error.label(place, "the trait of the rules");
                }
                report.push(error.help("give one of them another name"));
                None
            }
            (Some(id), _) => Some(Found::Profile(id)),
            (None, Some((id, RuleKind::Trait(_)))) => Some(Found::Computed(id)),
            (None, Some((_, RuleKind::Segment))) => {
                let message = format!("`{}` is a segment, not a trait", reference.name);
                report.push(
                    Diagnostic::error(codes::UNKNOWN_TRAIT, message, reference.span, "a trait belongs here")
                        .help("move it to `segments`"),
                );
                None
            }
            (None, None) => {
                if !self.is_faulty(&reference.name) && !self.declarations.faulty.all_profile {
                    let message = format!("there is no trait `{}`", reference.name);
                    let label = "not in profile.yaml, and not in rules/";
                    let error = Diagnostic::error(codes::UNKNOWN_TRAIT, message, reference.span, label);
                    let computed = self.rules(|kind| matches!(kind, RuleKind::Trait(_)));
                    let profile = self.declarations.profile.iter().map(|declared| declared.name.as_str());
                    report.push(with_help(error, suggest::help(&reference.name, profile.chain(computed))));
                }
                None
            }
        }
    }

    fn rule(&self, name: &str) -> Option<(RuleId, &RuleKind)> {
        let index = self.lowered.rules.iter().position(|rule| rule.name == name)?;
        Some((RuleId(u32::try_from(index).ok()?), &self.lowered.rules[index].kind))
    }

    fn rules(&self, wanted: impl Fn(&RuleKind) -> bool) -> impl Iterator<Item = &str> {
        self.lowered.rules.iter().filter(move |rule| wanted(&rule.kind)).map(|rule| rule.name.as_str())
    }

    fn is_faulty(&self, name: &str) -> bool {
        self.lowered.faulty_rules.iter().any(|(faulty, _)| faulty == name)
    }
}

fn with_help(error: Diagnostic, help: Option<String>) -> Diagnostic {
    match help {
        Some(help) => error.help(help),
        None => error,
    }
}

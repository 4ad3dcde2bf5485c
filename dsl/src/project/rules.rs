//! The last step: what destinations receive of rules, and everything joined into a program.

use crate::diagnostic::{Diagnostic, Report, codes};
use crate::ir::{Lowered, ProfileTraitId, Program, RuleId, RuleKind};
use crate::model::{Declarations, DeclaredDestination, Destination, Reference};
use std::collections::{HashMap, HashSet};

/// Resolves what is left and joins both fronts. The program is only of use when the report has no error.
pub(crate) fn assemble(mut declarations: Declarations, lowered: Lowered, report: &mut Report) -> Program {
    let consent = std::mem::take(&mut declarations.consent).completed(&declarations, &lowered, report);
    let declared = std::mem::take(&mut declarations.destinations);
    let names = Names::new(&declarations, &lowered);
    let destinations: Vec<Destination> =
        declared.into_iter().map(|destination| names.resolve(destination, report)).collect();
    let Declarations { settings, mut events, event_names, sources, identity, profile, rollout, .. } = declarations;
    for (event, slots) in events.iter_mut().zip(lowered.slots) {
        event.slots = slots;
    }
    let mut program = Program {
        settings,
        events,
        event_names,
        sources,
        identity,
        consent,
        profile,
        destinations,
        context_slots: lowered.context_slots,
        aggregates: lowered.aggregates,
        asked: lowered.asked,
        journeys: lowered.journeys,
        funnels: lowered.funnels,
        experiments: lowered.experiments,
        experiences: lowered.experiences,
        predictions: lowered.predictions,
        rules: lowered.rules,
        aggregates_of_event: lowered.aggregates_of_event,
        rules_of_aggregate: lowered.rules_of_aggregate,
        rules_of_profile_trait: lowered.rules_of_profile_trait,
        rollout,
        fingerprint: crate::ir::Fingerprint::default(),
        region: None,
    };
    crate::ir::bind(&mut program, report);
    program.fingerprint = super::fingerprint::of_program(&program);
    program
}

enum Found {
    Profile(ProfileTraitId),
    Computed(RuleId),
}

/// What destinations may name. A project may have thousands of rules, and thousands of references to them.
struct Names<'a> {
    declarations: &'a Declarations,
    lowered: &'a Lowered,
    rules: HashMap<&'a str, (RuleId, &'a RuleKind)>,
    profile: HashMap<&'a str, ProfileTraitId>,
    faulty: HashSet<&'a str>,
}

impl<'a> Names<'a> {
    fn new(declarations: &'a Declarations, lowered: &'a Lowered) -> Self {
        let rules = lowered.rules.iter().zip(0..).map(|(rule, id)| (rule.name.as_str(), (RuleId(id), &rule.kind)));
        let profile = declarations.profile.iter().zip(0..).map(|(kept, id)| (kept.name.as_str(), ProfileTraitId(id)));
        let faulty = lowered.faulty_rules.iter().map(|(name, _)| name.as_str());
        Self {
            declarations,
            lowered,
            rules: rules.collect(),
            profile: profile.collect(),
            faulty: faulty.chain(declarations.faulty.profile.iter().map(String::as_str)).collect(),
        }
    }

    fn resolve(&self, declared: DeclaredDestination, report: &mut Report) -> Destination {
        report.begin_file();
        let DeclaredDestination { mut destination, segments, traits, .. } = declared;
        destination.segments = segments.iter().filter_map(|reference| self.segment(reference, report)).collect();
        for reference in &traits {
            match self.any_trait(reference, report) {
                Some(Found::Profile(id)) => destination.profile_traits.push(id),
                Some(Found::Computed(id)) => destination.computed_traits.push(id),
                None => {}
            }
        }
        destination
    }

    fn segment(&self, reference: &Reference, report: &mut Report) -> Option<RuleId> {
        if let Some(&(id, kind)) = self.rules.get(reference.name.as_str()) {
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
            let help = report.suggest(&reference.name, known);
            report.push(with_help(error, help));
        }
        None
    }

    fn any_trait(&self, reference: &Reference, report: &mut Report) -> Option<Found> {
        let name = reference.name.as_str();
        match (self.profile.get(name).copied(), self.rules.get(name).copied()) {
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
                    let help = report.suggest(&reference.name, profile.chain(computed));
                    report.push(with_help(error, help));
                }
                None
            }
        }
    }

    /// In the order of the rules.
    fn rules(&self, wanted: impl Fn(&RuleKind) -> bool) -> impl Iterator<Item = &str> {
        self.lowered.rules.iter().filter(move |rule| wanted(&rule.kind)).map(|rule| rule.name.as_str())
    }

    fn is_faulty(&self, name: &str) -> bool {
        self.faulty.contains(name)
    }
}

fn with_help(error: Diagnostic, help: Option<String>) -> Diagnostic {
    match help {
        Some(help) => error.help(help),
        None => error,
    }
}

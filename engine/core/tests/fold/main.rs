//! The fold as its users see it: records in, effects and views out.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod determinism;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod history;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod journeys;
#[cfg(test)]
mod likely;
#[cfg(test)]
mod partition;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod rollout;
#[cfg(test)]
mod succession;
#[cfg(test)]
mod telling;

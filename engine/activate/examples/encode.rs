//! `encode MODULE COMPONENT`: what `plugins/build.sh` makes components with.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(module), Some(component)) = (arguments.next(), arguments.next()) else {
        return Err("give a module and a component".into());
    };
    std::fs::write(component, sonder_activate::component::encode(&std::fs::read(module)?)?)?;
    Ok(())
}
